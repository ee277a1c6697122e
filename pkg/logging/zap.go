package logging

import (
	"context"
	"io"
	"log/slog"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// timeFormat is how etcd prints moments.
const timeFormat = "2006-01-02T15:04:05.000000Z0700"

// zapHandler writes lines with the keys, forms and order of zap's. slog's own handler puts the time first: so it is given none, and
// the level's place takes both.
type zapHandler struct{ slog.Handler }

func newZapHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return zapHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{AddSource: true, Level: level, ReplaceAttr: likeZap})}
}

// Handle implements slog.Handler. The moment of a line is that of its writing.
func (h zapHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return h.Handler.Handle(ctx, r)
}

func (h zapHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return zapHandler{h.Handler.WithAttrs(attrs)}
}

func (h zapHandler) WithGroup(name string) slog.Handler { return zapHandler{h.Handler.WithGroup(name)} }

// likeZap gives attributes the keys and forms that etcd's lines have.
func likeZap(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 {
		switch value := a.Value.Any().(type) {
		case slog.Level:
			if a.Key == slog.LevelKey {
				return slog.Group("", slog.String("level", strings.ToLower(value.String())), slog.String("ts", time.Now().Format(timeFormat)))
			}
		case *slog.Source:
			if a.Key == slog.SourceKey {
				return slog.String("caller", shortCaller(value))
			}
		}
	}
	return readable(a)
}

// readable gives durations and moments the forms that people know.
func readable(a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindTime:
		a.Value = slog.StringValue(a.Value.Time().Format(timeFormat))
	}
	return a
}

// shortCaller is the file with its directory, and the line: enough to find it. The directory of a module has its version behind it.
func shortCaller(s *slog.Source) string {
	dir, file := path.Split(filepath.ToSlash(s.File))
	dir, _, _ = strings.Cut(path.Base(dir), "@")
	return path.Join(dir, file) + ":" + strconv.Itoa(s.Line)
}
