package natsserver

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// mistaken are warnings of what is not so: the password is drawn at start and kept in memory, and RouteTLS does verify.
var mistaken = []string{"Plaintext passwords detected", "hostname of solicited routes will not be verified"}

// serverLog is the NATS server's logger. What it notices is our debugging: users did not ask for a NATS server.
type serverLog struct {
	log *slog.Logger
	// traced is told of the trace; nil where there is none.
	traced func(format string, v []any)
}

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(line(format, v)) }
func (l serverLog) Warnf(format string, v ...any) {
	text := line(format, v)
	level := slog.LevelWarn
	if slices.ContainsFunc(mistaken, func(m string) bool { return strings.Contains(text, m) }) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, text)
}

func (l serverLog) Errorf(format string, v ...any) { l.log.Error(line(format, v)) }
func (l serverLog) Fatalf(format string, v ...any) { l.log.Error(line(format, v)) }
func (l serverLog) Debugf(format string, v ...any) { l.log.Debug(line(format, v)) }
func (l serverLog) Tracef(format string, v ...any) { l.traced(format, v) }

func line(format string, v []any) string { return "NATS: " + fmt.Sprintf(format, v...) }
