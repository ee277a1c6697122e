package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Config is what the logging flags say. The zero value logs from info on to stderr, as JSON.
type Config struct {
	// Level is --log-level: the least level that is logged, one of debug, info, warn, error, dpanic, panic and fatal.
	// Nothing is logged at the last three here, so that each of them silences the logger.
	Level string
	// Logger is --logger. Only zap, etcd's only one, is accepted: it stands for the shape of the lines.
	Logger string
	// Outputs is --log-outputs: default, stderr, stdout, systemd/journal, or paths of files, which are appended to.
	// An output that is named twice gets each line once; /dev/null among them discards everything.
	Outputs []string
	// Format is --log-format: json or console.
	Format string
}

// Levels above slog's own, so that --log-level can ask for them.
const (
	levelDPanic = slog.LevelError + 2
	levelPanic  = slog.LevelError + 4
	levelFatal  = slog.LevelError + 8
)

var levels = map[string]slog.Level{
	"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn,
	"error": slog.LevelError, "dpanic": levelDPanic, "panic": levelPanic, "fatal": levelFatal,
}

// timeFormat is how etcd prints moments.
const timeFormat = "2006-01-02T15:04:05.000000Z0700"

// Validate reports everything that is wrong with the configuration, with flag names and values.
func (c Config) Validate() error {
	var wrong []error
	if _, ok := levels[strings.ToLower(c.Level)]; !ok {
		wrong = append(wrong, fmt.Errorf("--log-level=%q is unknown; one of debug, info, warn, error, dpanic, panic, fatal is", c.Level))
	}
	if c.Logger != "" && c.Logger != "zap" {
		wrong = append(wrong, fmt.Errorf("--logger=%q is unknown; zap is the only one", c.Logger))
	}
	if c.Format != "" && c.Format != "json" && c.Format != "console" {
		wrong = append(wrong, fmt.Errorf("--log-format=%q is unknown; json or console is", c.Format))
	}
	if slices.Contains(c.Outputs, "") {
		wrong = append(wrong, fmt.Errorf("--log-outputs=%q names an empty output", strings.Join(c.Outputs, ",")))
	}
	return errors.Join(wrong...)
}

// Open makes the logger, and what it writes to, which the caller closes once, at the end. It fails if the configuration is
// wrong or a file cannot be opened.
func Open(c Config) (*slog.Logger, *Outputs, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, fmt.Errorf("logging: %w", err)
	}
	out, err := openOutputs(c.Outputs)
	if err != nil {
		return nil, nil, fmt.Errorf("logging: %w", err)
	}
	return slog.New(c.handler(out)), out, nil
}

func (c Config) handler(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{
		AddSource:   true,
		Level:       levels[strings.ToLower(c.Level)],
		ReplaceAttr: rename,
	}
	if c.Format == "console" {
		return slog.NewTextHandler(w, options)
	}
	return slog.NewJSONHandler(w, options)
}

// rename gives attributes the keys and forms that etcd's lines have.
func rename(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 {
		switch a.Key {
		case slog.TimeKey:
			a.Key = "ts"
		case slog.LevelKey:
			if level, ok := a.Value.Any().(slog.Level); ok {
				a.Value = slog.StringValue(strings.ToLower(level.String()))
			}
		case slog.SourceKey:
			if source, ok := a.Value.Any().(*slog.Source); ok {
				return slog.String("caller", shortCaller(source))
			}
		}
	}
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindTime:
		a.Value = slog.StringValue(a.Value.Time().Format(timeFormat))
	}
	return a
}

// shortCaller is the file with its directory, and the line: enough to find it.
func shortCaller(s *slog.Source) string {
	dir, file := path.Split(filepath.ToSlash(s.File))
	return path.Join(path.Base(dir), file) + ":" + strconv.Itoa(s.Line)
}
