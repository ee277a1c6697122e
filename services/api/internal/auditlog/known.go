package auditlog

import (
	"slices"
	"strings"

	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// knownMethods are the methods whose requests have lines, as they are called there.
func knownMethods() []string {
	var known []string
	for _, method := range auth.Methods() {
		if name, ok := strings.CutPrefix(method, "/"); ok && strings.HasPrefix(name, "etcdserverpb.") {
			known = append(known, name)
		}
	}
	for _, method := range v2Methods {
		known = append(known, "v2/"+method)
	}
	slices.Sort(known)
	return known
}
