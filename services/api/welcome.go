package api

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"github.com/quoratedb/quorate/services/api/internal/gateway"
	v2 "github.com/quoratedb/quorate/services/api/internal/v2"
)

//go:embed welcome.html
var welcomeText string

var welcomePage = template.Must(template.New("welcome").Parse(welcomeText))

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
		_ = welcomePage.Execute(w, s)
		return
	}
	header.Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(s)
}
