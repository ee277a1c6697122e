package edge

import (
	"context"
	"net/http"
	"time"
)

// interruptKey finds, in a stream's context, the function that makes a pending read of the stream fail.
type interruptKey struct{}

// Interruptible makes Interrupt work for the streams of a handler. Connect offers nothing of the kind, and a handler
// should not return before its reader has.
func Interruptible(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		interrupt := func() error { return http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) }
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), interruptKey{}, interrupt)))
	})
}

// Interrupt makes a pending read of the stream that ctx belongs to fail, and tells whether it could.
func Interrupt(ctx context.Context) bool {
	interrupt, ok := ctx.Value(interruptKey{}).(func() error)
	return ok && interrupt() == nil
}
