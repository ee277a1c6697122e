package quorate

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// OpenLog opens the log that LogLevel, LogFormat and LogOutputs describe. The closer closes the files among the
// outputs. Where Log is set it is returned as it is, with a closer that does nothing.
func (c Config) OpenLog() (log *slog.Logger, closer func() error, err error) {
	if c.Log != nil {
		return c.Log, func() error { return nil }, nil
	}
	var outputs []io.Writer
	var files []*os.File
	closer = func() error {
		var problems []error
		for _, file := range files {
			problems = append(problems, file.Close())
		}
		return errors.Join(problems...)
	}
	for _, output := range c.LogOutputs {
		switch output {
		case "default", "stderr":
			outputs = append(outputs, os.Stderr)
		case "stdout":
			outputs = append(outputs, os.Stdout)
		default:
			file, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
			if err != nil {
				return nil, nil, errors.Join(fmt.Errorf("--log-outputs=%s: %w", output, err), closer())
			}
			files = append(files, file)
			outputs = append(outputs, file)
		}
	}
	return slog.New(c.logHandler(io.MultiWriter(outputs...))), closer, nil
}

func (c Config) logHandler(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: slogLevel(c.LogLevel), ReplaceAttr: likeZap}
	if c.LogFormat == "console" {
		return slog.NewTextHandler(w, options)
	}
	return slog.NewJSONHandler(w, options)
}

// slogLevel maps zap's levels, which go further up: nothing is logged above an error here.
func slogLevel(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "info":
		return slog.LevelInfo
	default:
		return slog.LevelError
	}
}

// likeZap names and writes time and level as etcd's log does, so that what reads the one reads the other.
func likeZap(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("ts", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000000Z"))
	case slog.LevelKey:
		return slog.String("level", strings.ToLower(a.Value.String()))
	default:
		return a
	}
}
