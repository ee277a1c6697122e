package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	connectcors "connectrpc.com/cors"

	"github.com/quoratedb/quorate/services/console"
)

// maxAge is for how many seconds a browser need not ask again before it calls: as long as any of them remembers.
const maxAge = "7200"

// crossOrigin lets scripts of other origins call. Nothing here depends on cookies, so that "*" gives nothing away.
//
// It does what etcd does rather than what the libraries for it do: every answer carries the headers, whether the request
// names its origin or not, and every OPTIONS succeeds. The lists are etcd's with Connect's behind.
func crossOrigin(origins []string, next http.Handler) http.Handler {
	methods := []string{"POST", "GET", "OPTIONS", "PUT", "DELETE"}
	headers := []string{"accept", "content-type", "authorization"}
	for _, name := range connectcors.AllowedHeaders() {
		if name = strings.ToLower(name); !slices.Contains(headers, name) {
			headers = append(headers, name)
		}
	}
	allowedMethods, allowedHeaders := strings.Join(methods, ", "), strings.Join(headers, ", ")
	exposed := strings.Join(connectcors.ExposedHeaders(), ", ")
	anyOrigin := slices.Contains(origins, "*")
	// What all answers have alike is made once: nobody changes a header's values, only which it has.
	alike := http.Header{
		"Access-Control-Allow-Methods": {allowedMethods}, "Access-Control-Allow-Headers": {allowedHeaders},
		"Access-Control-Expose-Headers": {exposed}, "Access-Control-Max-Age": {maxAge},
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if console.Owns(r.URL.Path) {
			next.ServeHTTP(w, r) // it is for its own page alone
			return
		}
		answer, origin := w.Header(), "*"
		if !anyOrigin {
			origin = r.Header.Get("Origin")
			answer.Add("Vary", "Origin")
		}
		if anyOrigin || slices.Contains(origins, origin) {
			answer.Set("Access-Control-Allow-Origin", origin)
			maps.Copy(answer, alike)
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusOK)
			return
		}
		next.ServeHTTP(w, r)
	})
}
