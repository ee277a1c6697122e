package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
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
	// Format is --log-format: json or console. Empty is console at a terminal and json everywhere else.
	Format string
	// Rotation is how files are rotated; nil leaves that to others, who have them opened anew.
	Rotation *Rotation
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
	if c.Rotation != nil {
		wrong = append(wrong, c.Rotation.check(c.Outputs))
	}
	return errors.Join(wrong...)
}

// Open makes the logger, and what it writes to, which the caller closes once, at the end. It fails if the configuration is
// wrong or a file cannot be opened.
func Open(c Config) (*slog.Logger, *Outputs, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, fmt.Errorf("logging: %w", err)
	}
	out, err := openOutputs(c.Outputs, c.Rotation)
	if err != nil {
		return nil, nil, fmt.Errorf("logging: %w", err)
	}
	out.usual = levels[strings.ToLower(c.Level)]
	out.level.Set(out.usual)
	return slog.New(c.handler(out, &out.level)), out, nil
}

// handler writes to out from a level on, which may change.
func (c Config) handler(out *Outputs, level slog.Leveler) slog.Handler {
	terminal := len(out.writers) > 0
	for _, w := range out.writers {
		terminal = terminal && isTerminal(w)
	}
	var lines slog.Handler
	if c.Format == "console" || c.Format == "" && terminal {
		lines = newConsoleHandler(out, level, terminal)
	} else {
		lines = newZapHandler(out, level)
	}
	return newLimited(lines, time.Now)
}
