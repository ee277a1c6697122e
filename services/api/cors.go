package api

import (
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
// It does what etcd does rather than what the libraries for it do: every answer carries etcd's headers, whether the request
// names its origin or not, and every OPTIONS succeeds. The lists are etcd's with Connect's behind. What Connect's clients need besides is
// only where a browser looks for it: with more than eight headers an answer costs a tenth of a v2 put more.
func crossOrigin(origins []string, next http.Handler) http.Handler {
	methods := []string{"POST", "GET", "OPTIONS", "PUT", "DELETE"}
	headers := []string{"accept", "content-type", "authorization"}
	for _, name := range connectcors.AllowedHeaders() {
		if name = strings.ToLower(name); !slices.Contains(headers, name) {
			headers = append(headers, name)
		}
	}
	// What answers have alike is made once: nobody changes a header's values, only which it has.
	allowedMethods, allowedHeaders := []string{strings.Join(methods, ", ")}, []string{strings.Join(headers, ", ")}
	exposed, age, everybody := []string{strings.Join(connectcors.ExposedHeaders(), ", ")}, []string{maxAge}, []string{"*"}
	anyOrigin := slices.Contains(origins, "*")

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if console.Owns(r.URL.Path) {
			next.ServeHTTP(w, r) // it is for its own page alone
			return
		}
		answer, origin := w.Header(), r.Header.Get("Origin")
		allowed := everybody
		if !anyOrigin {
			allowed = []string{origin}
			answer.Add("Vary", "Origin")
		}
		preflight := r.Method == http.MethodOptions
		if anyOrigin || slices.Contains(origins, origin) {
			answer["Access-Control-Allow-Origin"] = allowed
			answer["Access-Control-Allow-Methods"], answer["Access-Control-Allow-Headers"] = allowedMethods, allowedHeaders
			switch {
			case preflight:
				answer["Access-Control-Max-Age"] = age
			case origin != "":
				answer["Access-Control-Expose-Headers"] = exposed
			}
		}
		if preflight {
			w.WriteHeader(http.StatusOK)
			return
		}
		next.ServeHTTP(w, r)
	})
}
