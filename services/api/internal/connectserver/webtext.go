package connectserver

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/etcdserverpbconnect"
)

// The text mode of gRPC-Web is its binary mode in base64, for browsers' XMLHttpRequest, which cannot read bytes of an answer
// that has not ended. The JavaScript library uses it for every stream, by default for all calls. Connect does not speak it, so
// that it is translated in front of Connect's handlers. A body is a sequence of pieces of base64, each with its own padding:
//
//	AAAAAAUKA2ZvbwAA  AAAAAA==  gAAAAA9ncnBjLXN0YXR1czogMA0K
//
// A piece ends where its sender flushed, which need not be where a message ends.
const (
	webKind  = "application/grpc-web"
	textKind = webKind + "-text"
	// envelopeBytes is what stands in front of a message: flags and its length.
	envelopeBytes = 5
)

// webText lets handlers of binary gRPC-Web serve its text mode. A body with one message has up to messageBytesMax and the envelope.
func webText(messageBytesMax int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		binary, asked := binaryKind(r.Header.Get("Content-Type"))
		_, wanted := binaryKind(r.Header.Get("Accept"))
		if !asked && (!wanted || !strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), webKind)) {
			next.ServeHTTP(w, r)
			return
		}
		if asked {
			// It is a copy because others look at what the client sent.
			inner := r.Clone(r.Context())
			inner.Header.Set("Content-Type", binary)
			inner.Header.Del("Content-Length")
			inner.ContentLength = -1
			inner.Body = &textReader{ReadCloser: r.Body, left: bodyBytesMax(r, messageBytesMax)}
			r = inner
		}
		answer := &textWriter{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		answer.finish()
	})
}

// binaryKind returns the content-type of the binary mode for one of the text mode, and whether it is one.
func binaryKind(kind string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(kind)), textKind)
	rest, _, _ = strings.Cut(rest, ";")
	rest = strings.TrimSpace(strings.TrimPrefix(rest, "-base64"))
	if !ok || rest != "" && rest[0] != '+' {
		return "", false
	}
	return webKind + rest, true
}

// bodyBytesMax is how much the body of a call may be, decoded. Connect reads a message that is too large to its end before it says
// so, and the length in its envelope may be 4 GB. Only calls whose clients stream have more than one message.
func bodyBytesMax(r *http.Request, messageBytesMax int) int64 {
	switch r.URL.Path {
	case etcdserverpbconnect.WatchWatchProcedure, etcdserverpbconnect.LeaseLeaseKeepAliveProcedure:
		return -1
	}
	return int64(messageBytesMax) + envelopeBytes
}

// textWriter encodes an answer of gRPC-Web and leaves others alone, such as a refusal of the content-type. A flush ends a piece.
type textWriter struct {
	http.ResponseWriter
	begun, encodes bool
	// rest are the bytes of an incomplete group of three, which wait for more or for a flush.
	rest    [3]byte
	resting int
}

// Unwrap lets http.ResponseController through.
func (w *textWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *textWriter) WriteHeader(code int) {
	if !w.begun {
		w.begun = true
		kind, ok := strings.CutPrefix(w.Header().Get("Content-Type"), webKind)
		if w.encodes = ok; ok {
			w.Header().Set("Content-Type", textKind+kind)
			w.Header().Del("Content-Length")
		}
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements io.Writer.
func (w *textWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if !w.encodes {
		return w.ResponseWriter.Write(p)
	}
	written := 0
	for written < len(p) {
		if w.resting > 0 || len(p)-written < len(w.rest) {
			n := copy(w.rest[w.resting:], p[written:])
			w.resting += n
			written += n
			if w.resting == len(w.rest) {
				if err := w.endPiece(); err != nil {
					return written, err
				}
			}
			continue
		}
		var encoded [4096]byte
		whole := min((len(p)-written)/3*3, base64.StdEncoding.DecodedLen(len(encoded)))
		base64.StdEncoding.Encode(encoded[:], p[written:written+whole])
		if _, err := w.ResponseWriter.Write(encoded[:base64.StdEncoding.EncodedLen(whole)]); err != nil {
			return written, err
		}
		written += whole
	}
	return written, nil
}

// endPiece writes what rests, with padding if it is less than a group.
func (w *textWriter) endPiece() error {
	var encoded [4]byte
	base64.StdEncoding.Encode(encoded[:], w.rest[:w.resting])
	_, err := w.ResponseWriter.Write(encoded[:base64.StdEncoding.EncodedLen(w.resting)])
	w.resting = 0
	return err
}

// Flush implements http.Flusher.
func (w *textWriter) Flush() {
	w.finish()
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// finish writes what is left. Where that fails, the connection has failed, which the next write says or nobody needs to know.
func (w *textWriter) finish() {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.resting > 0 {
		_ = w.endPiece()
	}
}
