package ingress

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// Streams tells requests whose body lasts as long as its sender likes: those of gRPC, and Connect's streams. All other
// calls of Connect have a body that ends.
func Streams(r *http.Request) bool {
	kind := strings.ToLower(r.Header.Get("Content-Type"))
	return strings.HasPrefix(kind, "application/connect+") || strings.HasPrefix(kind, "application/grpc")
}

// boundBodies gives the body of each request that is no stream a time in which it must be there, read by the handler or
// not: net/http reads on after a handler that did not, and waits for that also when the server stops.
func boundBodies(streams func(*http.Request) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 || streams(r) {
			next.ServeHTTP(w, r)
			return
		}
		body := &boundBody{ReadCloser: r.Body, control: http.NewResponseController(w), begun: time.Now()}
		body.extend()
		r.Body = body
		next.ServeHTTP(w, r)
	})
}

// boundBody belongs to the goroutine of its handler.
type boundBody struct {
	io.ReadCloser
	control *http.ResponseController
	begun   time.Time
	read    int64
}

// Read implements io.Reader. The deadline goes with the body's end: net/http reads on then to learn whether the client
// has left, and would take a deadline that passes for that.
func (b *boundBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{})
	case err == nil:
		b.extend()
	}
	return n, err
}

func (b *boundBody) extend() {
	earned := time.Duration(b.read) * time.Second / BodyBytesPerSecond
	_ = b.control.SetReadDeadline(b.begun.Add(BodyTimeout + earned))
}
