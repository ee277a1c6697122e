package api

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
)

// unknownHost is etcd's text.
const unknownHost = `
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist %q

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).
`

// knownHosts refuses requests without TLS that name a host which is none of hosts: a page whose name was made to lead to
// this host could call otherwise, as if it were of the same origin. gRPC is not asked, for pages do not speak it.
func knownHosts(hosts []string, logger *slog.Logger, next http.Handler) http.Handler {
	if len(hosts) == 0 || slices.Contains(hosts, "*") {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host // without a port
		}
		if r.TLS == nil && !slices.Contains(hosts, host) {
			logger.Warn("rejecting HTTP request to prevent DNS rebinding attacks", "host", host)
			http.Error(w, fmt.Sprintf(unknownHost, host), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
