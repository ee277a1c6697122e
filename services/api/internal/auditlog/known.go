package auditlog

import (
	"net/http"
	"slices"
	"strings"

	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// v2Methods are the methods of the v2 API, by which a policy may name them.
var v2Methods = []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete}

// Methods of NATS: a log-in, and a subscription.
const (
	MethodNATSConnect   = "nats/CONNECT"
	MethodNATSSubscribe = "nats/SUB"
)

// hasLines tells the methods, by their full names, whose requests have lines: all but those of health and reflection.
func hasLines(method string) bool { return !strings.HasPrefix(method, "/grpc.") }

// knownMethods are the methods whose requests have lines, as they are called there.
func knownMethods() []string {
	var known []string
	for _, method := range auth.Methods() {
		if hasLines(method) {
			known = append(known, strings.TrimPrefix(method, "/"))
		}
	}
	for _, method := range v2Methods {
		known = append(known, "v2/"+method)
	}
	known = append(known, MethodNATSConnect, MethodNATSSubscribe)
	slices.Sort(known)
	return known
}
