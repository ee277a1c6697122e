package commandline

import (
	"flag"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// RegisterRates adds the flags about how many requests each user may make. They write to c.
func RegisterRates(fs *flag.FlagSet, c *config.Config) {
	fs.StringVar(&c.Rates.Mode, "rate-limit-mode", c.Rates.Mode, "What becomes of requests beyond --rate-limit: 'off' looks at none, 'permissive' counts them, 'enforcing' counts and refuses them.")
	fs.Var(flagset.ListOf(&c.Rates.Rates), "rate-limit", "Requests a second that each user, or each address where no user is shown, may make here, by class: reads=N, writes=N, watches=N (created), lists=N (of ranges). USER:CLASS=N is for one user, 'unlimited' a number too.")
}
