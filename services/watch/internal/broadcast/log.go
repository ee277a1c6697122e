package broadcast

import (
	"fmt"
	"log/slog"
)

// serverLog is the NATS server's logger. What it notices is our debugging: users did not ask for a NATS server.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(line(format, v)) }
func (l serverLog) Warnf(format string, v ...any)   { l.log.Warn(line(format, v)) }
func (l serverLog) Errorf(format string, v ...any)  { l.log.Error(line(format, v)) }
func (l serverLog) Fatalf(format string, v ...any)  { l.log.Error(line(format, v)) }
func (l serverLog) Debugf(format string, v ...any)  { l.log.Debug(line(format, v)) }
func (l serverLog) Tracef(format string, v ...any)  { l.log.Debug(line(format, v)) }

func line(format string, v []any) string { return "NATS: " + fmt.Sprintf(format, v...) }
