package calls

import (
	"context"
	"net/http"
	"time"

	"github.com/quoratedb/quorate/pkg/budget"
)

// pieceBytes is how much a client must take of a large answer within the time that clients have.
const pieceBytes = 256 << 10

type requestKey struct{}

// CountAnswers lets what answers over HTTP hold be counted until clients have taken them, as answer does for gRPC: what handlers
// read with the context of Count, and what the gateway has called for with that of Carry.
func (c *Calls) CountAnswers(next http.Handler) http.Handler {
	return c.CountWritten(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := w.(*countedWriter).answer
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, answer)))
	}))
}

// CountWritten is CountAnswers for handlers that read with the context of CountFor: most of v2's requests read nothing, and another
// context has a request copied.
func (c *Calls) CountWritten(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := c.answers.New(httpCopies)
		defer answer.Release()
		next.ServeHTTP(&countedWriter{ResponseWriter: w, answers: c.answers, answer: answer}, r)
	})
}

// Count returns a context whose reads count for the answer to the HTTP request that ctx is of.
func Count(ctx context.Context) context.Context {
	if answer, ok := ctx.Value(requestKey{}).(*budget.Answer); ok {
		return answer.With(ctx)
	}
	return ctx
}

// CountFor returns a context whose reads count for the answer that w writes.
func CountFor(ctx context.Context, w http.ResponseWriter) context.Context {
	for {
		switch at := w.(type) {
		case *countedWriter:
			return at.answer.With(ctx)
		case interface{ Unwrap() http.ResponseWriter }:
			w = at.Unwrap()
		default:
			return ctx
		}
	}
}

// countedWriter lets a client be dropped that does not take a large answer while others wait for its memory: the whole of it in
// the time that it has for that, and each piece at once.
type countedWriter struct {
	http.ResponseWriter
	answers *budget.Answers
	answer  *budget.Answer
	sent    bool
}

// Write implements http.ResponseWriter.
func (w *countedWriter) Write(encoded []byte) (written int, err error) {
	for err == nil && len(encoded)-written > pieceBytes {
		n, failed := w.writePiece(encoded[written : written+pieceBytes])
		written, err = written+n, failed
	}
	if err != nil {
		return written, err
	}
	n, err := w.ResponseWriter.Write(encoded[written:])
	return written + n, err
}

func (w *countedWriter) writePiece(encoded []byte) (int, error) {
	drop := func() { _ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Unix(1, 0)) }
	if !w.sent {
		w.sent = true
		w.answer.Send(drop)
	}
	piece := w.answers.New(1)
	defer piece.Release()
	piece.Send(drop)
	return w.ResponseWriter.Write(encoded)
}

// Flush implements http.Flusher, which the gateway's streams look for.
func (w *countedWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
