package shell

import "github.com/quoratedb/quorate/services/ctl/internal/exit"

// Serializable says whether a --consistency asks for what the member has, s, in place of the newest, l.
func Serializable(consistency string) (bool, error) {
	if consistency != "s" && consistency != "l" {
		return false, exit.Withf(exit.Feature, "unknown consistency %q: --consistency takes l or s", consistency)
	}
	return consistency == "s", nil
}
