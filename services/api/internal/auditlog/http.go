package auditlog

import (
	"context"
	"crypto/tls"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// keysPath is where v2's keys are.
const keysPath = "/v2/keys"

// Wrap has a line written for each request of the v2 API, before its answer's first byte goes out. identify tells whose a connection is.
func (a *Auditor) Wrap(next http.Handler, identify func(*tls.ConnectionState) *auth.Identity) http.Handler {
	if a == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := &head{Peer: r.RemoteAddr, Method: "v2/" + cut(r.Method), Proof: auth.ProofNone}
		if name, _, ok := r.BasicAuth(); ok {
			h.User, h.Proof = name, proofPassword
		} else if identity := identify(r.TLS); identity != nil {
			h.User, h.Proof = a.names.Of(auth.With(r.Context(), identity))
		}
		spans := v2Spans(r)
		if len(spans) > 0 && spans[0].access == "watch" {
			r = r.WithContext(context.WithValue(r.Context(), waitKey{}, &wait{auditor: a, head: *h, spans: spans}))
		}
		entry, err := a.begin(r.Context(), h, spans, object{user: below(r.URL.Path, "/v2/auth/users/"), role: below(r.URL.Path, "/v2/auth/roles/")})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInsufficientStorage)
			return
		}
		out := &responseWriter{ResponseWriter: w, entry: entry, request: r}
		defer out.finish(http.StatusOK)
		next.ServeHTTP(out, r)
	})
}

// wait is a request of the v2 API that waits for an event.
type wait struct {
	auditor *Auditor
	head    head
	spans   []span
}

// waitKey is the key of a *wait in the context of its request.
type waitKey struct{}

// WaitEnded writes that the right to a wait is gone, whose request ctx is of and which was answered so far. A line without room is lost,
// and counted: the wait ends all the same.
func WaitEnded(ctx context.Context) {
	w, ok := ctx.Value(waitKey{}).(*wait)
	if !ok {
		return
	}
	entry, err := w.auditor.begin(ctx, &w.head, w.spans, object{})
	if err == nil {
		err = entry.finish(outcome{code: strconv.Itoa(http.StatusUnauthorized), ended: true})
	}
	if err != nil {
		w.auditor.log.metrics.lost.Inc()
	}
}

// below returns what a path has below another one.
func below(of, parent string) string {
	name, _ := strings.CutPrefix(of, parent)
	if name == of {
		return ""
	}
	return name
}

// v2Spans returns the keys of a v2 request: a directory is its prefix.
func v2Spans(r *http.Request) []span {
	rest, ok := strings.CutPrefix(r.URL.Path, keysPath)
	if !ok {
		return nil
	}
	s := span{access: "read", key: []byte(path.Clean("/" + rest))}
	switch {
	case r.Method == http.MethodDelete:
		s.access = "delete"
	case r.Method == http.MethodPut || r.Method == http.MethodPost:
		s.access = "write"
	case r.URL.Query().Get("wait") == "true":
		s.access = "watch"
	}
	return []span{s}
}

// refusals are the codes of requests that their clients may not make, or not so often.
var refusals = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}

// responseWriter has the line written before the answer.
type responseWriter struct {
	http.ResponseWriter
	entry   *Entry
	request *http.Request
	done    bool
	failed  bool // the line could not be written: the client was told
}

// WriteHeader implements http.ResponseWriter.
func (w *responseWriter) WriteHeader(code int) {
	if w.finish(code) {
		w.ResponseWriter.WriteHeader(code)
	}
}

// Write implements io.Writer.
func (w *responseWriter) Write(b []byte) (int, error) {
	if !w.finish(http.StatusOK) {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// finish tells whether the answer may go out.
func (w *responseWriter) finish(code int) bool {
	if w.done {
		return !w.failed
	}
	w.done = true
	o := outcome{code: strconv.Itoa(code), refused: slices.Contains(refusals, code)}
	if index, err := strconv.ParseInt(w.Header().Get("X-Etcd-Index"), 10, 64); err == nil {
		o.revision = index
	}
	if w.entry != nil && w.entry.level == LevelRequest && w.request.Form.Has("value") {
		o.digest = digest(w.entry.auditor.key, []byte(w.request.Form.Get("value")))
	}
	if w.entry.finish(o) != nil {
		w.failed = true
		http.Error(w.ResponseWriter, errNotWritten.Error(), http.StatusServiceUnavailable)
	}
	return !w.failed
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
