package connectserver

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// explained gives a body to what Connect refuses without one, a content-type that it does not know: whoever types a request by hand
// forgets it, and curl sends that of a form.
func explained(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := r.Header.Get("Content-Type")
		if strings.HasPrefix(kind, "application/grpc") || strings.HasPrefix(kind, "application/connect+") {
			next.ServeHTTP(w, r) // streams, which flush
			return
		}
		answer := &refusal{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		if !answer.refused {
			return
		}
		takes := w.Header().Get("Accept-Post")
		switch {
		case strings.Contains(takes, "application/json"):
			_, _ = fmt.Fprintf(w, "The content-type is %q, and JSON is application/json: with curl, add -H 'content-type: application/json'.\n", kind)
		default:
			_, _ = io.WriteString(w, "This method is a stream: each message has a head of five bytes before it. etcd's JSON paths need none, as POST /v3/watch.\n")
		}
		_, _ = fmt.Fprintf(w, "This method takes %s.\n", takes)
	})
}

// refusal notes that the content-type was refused. It does not flush.
type refusal struct {
	http.ResponseWriter
	refused bool
}

func (w *refusal) WriteHeader(code int) {
	if code == http.StatusUnsupportedMediaType && w.Header().Get("Accept-Post") != "" {
		w.refused = true
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
	}
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController through.
func (w *refusal) Unwrap() http.ResponseWriter { return w.ResponseWriter }
