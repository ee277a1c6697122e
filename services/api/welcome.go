package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/quoratedb/quorate/services/api/internal/gateway"
	v2 "github.com/quoratedb/quorate/services/api/internal/v2"
	"github.com/quoratedb/quorate/services/console"
)

// welcomePage has names in double braces. A library of templates would have the linker keep every exported method of the program.
//
//go:embed welcome.html
var welcomePage string

var plainHost = regexp.MustCompile(`^[\w.\[][\w.:\[\]-]*$`)

// welcome is what a server says of itself at its root: to browsers as a page, to everybody else as JSON. Nobody is asked who they are
// there, so it says no more than /version and this source do.
type welcome struct {
	Name  string `json:"name"`
	About string `json:"about"`
	// Etcd is the version of etcd whose API is served.
	Etcd string `json:"etcdserver"`
	// Paths are where to look, and what is there.
	Paths map[string]string `json:"paths"`
}

func newWelcome(cfg Config) welcome {
	paths := map[string]string{
		"/version":             "the versions of etcd whose API and storage this is",
		"/health":              "whether it serves, in etcd's words",
		"/livez":               "whether the process is well",
		"/readyz":              "whether it can serve requests",
		"/etcdserverpb.KV/Put": "and each other method of etcd's gRPC API, for gRPC, Connect, gRPC-Web and curl: POST, content-type: application/json",
	}
	if cfg.Gatherer != nil {
		paths["/metrics"] = "metrics for Prometheus"
	}
	if !cfg.NoGateway {
		paths[gateway.Prefix+"kv/put"] = "and etcd's other JSON paths, POST"
	}
	if !cfg.NoConsole {
		paths[console.Prefix] = "the console: the store in a browser"
	}
	if cfg.Tree != nil {
		paths[v2.Prefix+"keys/"] = "the keys by etcd's v2 API"
	}
	return welcome{
		Name:  "Quorate",
		About: "A distributed coordination store that speaks etcd's APIs: any client of etcd can use it.",
		Etcd:  cfg.Versions.Server, Paths: paths,
	}
}

func (s welcome) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		_, _ = io.WriteString(w, s.page(endpoint(r)))
		return
	}
	header.Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(s)
}

// endpoint is the flag by which etcdctl reaches what the browser has reached, with a space behind it; empty where etcdctl needs none. The
// line is made to be copied into a shell, so that a name with other letters than names have is left out.
func endpoint(r *http.Request) string {
	scheme, port := "http://", "80"
	if r.TLS != nil {
		scheme, port = "https://", "443"
	}
	host := r.Host
	if _, _, err := net.SplitHostPort(host); err != nil { // browsers leave out the scheme's own port, which is not etcdctl's
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	if local := host == "127.0.0.1:2379" || host == "localhost:2379"; local && r.TLS == nil || !plainHost.MatchString(host) {
		return ""
	}
	return "--endpoints=" + scheme + host + " "
}

// page is the answer to browsers.
func (s welcome) page(endpoint string) string {
	var paths strings.Builder
	for _, path := range slices.Sorted(maps.Keys(s.Paths)) {
		at := html.EscapeString(path)
		fmt.Fprintf(&paths, "<tr><td><a href=\"%s\"><code>%s</code></a><td>%s\n", at, at, html.EscapeString(s.Paths[path]))
	}
	return strings.NewReplacer(
		"{{name}}", html.EscapeString(s.Name), "{{about}}", html.EscapeString(s.About), "{{etcd}}", html.EscapeString(s.Etcd), "{{paths}}", paths.String(),
		"{{endpoint}}", html.EscapeString(endpoint),
	).Replace(welcomePage)
}
