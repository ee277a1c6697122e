package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// consoleHandler writes lines for people:
//
//	15:04:05.123 WARN  disk is slow  took=1.5s file=000007.log
//
// The level has a colour at a terminal. What stands behind the message is slog's own text.
type consoleHandler struct {
	// rest writes what is behind the message into shared.line.
	rest   slog.Handler
	shared *console
}

// console is what the handlers of one logger share.
type console struct {
	out    io.Writer
	colour bool
	mu     struct {
		sync.Mutex
		line bytes.Buffer
	}
}

// consoleTime is to the millisecond: the day is known to who sits there.
const consoleTime = "15:04:05.000"

func newConsoleHandler(w io.Writer, level slog.Leveler, colour bool) slog.Handler {
	shared := &console{out: w, colour: colour}
	return consoleHandler{shared: shared, rest: slog.NewTextHandler(&shared.mu.line, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutHead})}
}

// withoutHead leaves out what the head of a line has.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return readable(a)
}

// Enabled implements slog.Handler.
func (h consoleHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.rest.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h consoleHandler) Handle(ctx context.Context, r slog.Record) error {
	s := h.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	line := &s.mu.line
	line.Reset()
	line.WriteString(r.Time.Format(consoleTime))
	line.WriteByte(' ')
	line.WriteString(s.level(r.Level))
	line.WriteByte(' ')
	line.WriteString(r.Message)
	line.WriteString("  ")
	r.Time = time.Time{} // it is in the head
	if err := h.rest.Handle(ctx, r); err != nil {
		return err
	}
	_, err := s.out.Write(line.Bytes())
	return err
}

// level is five wide, for the messages to stand below each other.
func (s *console) level(level slog.Level) string {
	name := level.String()
	for len(name) < len("ERROR") {
		name += " "
	}
	if !s.colour {
		return name
	}
	code := "36" // cyan
	switch {
	case level >= slog.LevelError:
		code = "31" // red
	case level >= slog.LevelWarn:
		code = "33" // yellow
	case level >= slog.LevelInfo:
		code = "32" // green
	}
	return "\x1b[" + code + "m" + name + "\x1b[0m"
}

// WithAttrs implements slog.Handler.
func (h consoleHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return consoleHandler{rest: h.rest.WithAttrs(attrs), shared: h.shared}
}

// WithGroup implements slog.Handler.
func (h consoleHandler) WithGroup(name string) slog.Handler {
	return consoleHandler{rest: h.rest.WithGroup(name), shared: h.shared}
}

// isTerminal tells that somebody may be looking, who did not ask for plain text (https://no-color.org).
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
