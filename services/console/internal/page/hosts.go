package page

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Hosts are the names by which browsers may call this server. A page elsewhere whose name was made to lead here ("DNS rebinding") would
// else be of the same origin as the console. Addresses are no names, and cannot be made to lead anywhere.
type Hosts []string

// Known tells whether a request's Host may be: an address, localhost, or one of the names.
func (h Hosts) Known(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if net.ParseIP(host) != nil || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.ContainsFunc(h, func(known string) bool { return strings.EqualFold(known, host) })
}

// unknownHost says what to do.
const unknownHost = "The console does not answer to the name %q, because a page elsewhere could have made it lead here.\n" +
	"Use an address or localhost, serve TLS, or name it by --advertise-client-urls or --host-whitelist.\n"

// Guard lets requests through that a page of this server's own, or no page, has made: over TLS, where the certificate shows the name, or by a
// known name, and from no other origin.
func (h Hosts) Guard(next http.Handler) http.Handler {
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "The console's methods are for its own page: this request came from one of another origin.", http.StatusForbidden)
	}))
	guarded := own.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && !h.Known(r.Host) {
			http.Error(w, fmt.Sprintf(unknownHost, r.Host), http.StatusMisdirectedRequest)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}
