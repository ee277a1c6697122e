package interceptor

import (
	"context"
	"net/http"
	"time"
)

// controllerKey finds, in a stream's context, the *http.ResponseController of its request.
type controllerKey struct{}

// Interruptible makes Interrupt and Within work for the streams of a handler. Connect offers nothing of the kind, and a handler
// should not return before its reader has.
func Interruptible(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), controllerKey{}, http.NewResponseController(w))))
	})
}

// Interrupt makes a pending read of the stream that ctx belongs to fail, and tells whether it could.
func Interrupt(ctx context.Context) bool {
	controller, ok := ctx.Value(controllerKey{}).(*http.ResponseController)
	return ok && controller.SetReadDeadline(time.Unix(1, 0)) == nil
}

// Within runs send, which sends one message of the stream that ctx belongs to, and makes it fail where the other side takes
// nothing for so long. The stream has failed then.
func Within(ctx context.Context, limit time.Duration, send func() error) error {
	if controller, ok := ctx.Value(controllerKey{}).(*http.ResponseController); ok && controller.SetWriteDeadline(time.Now().Add(limit)) == nil {
		defer func() { _ = controller.SetWriteDeadline(time.Time{}) }()
	}
	return send()
}
