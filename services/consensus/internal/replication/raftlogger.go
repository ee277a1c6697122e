package replication

import (
	"fmt"
	"log/slog"
)

// raftLogger lets the raft library write to the member's log, where what it says of its course is for debugging: what operators must
// know of it, changes of leaders and of members, others say. Its Panic and Fatal report broken invariants: both
// panic, because a stopped replica is better than a diverged one.
type raftLogger struct{ log *slog.Logger }

func (l raftLogger) Debug(v ...any)                 { l.log.Debug(fmt.Sprint(v...)) }
func (l raftLogger) Debugf(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l raftLogger) Info(v ...any)                  { l.log.Debug(fmt.Sprint(v...)) }
func (l raftLogger) Infof(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l raftLogger) Warning(v ...any)               { l.log.Warn(fmt.Sprint(v...)) }
func (l raftLogger) Warningf(f string, v ...any)    { l.log.Warn(fmt.Sprintf(f, v...)) }
func (l raftLogger) Error(v ...any)                 { l.log.Error(fmt.Sprint(v...)) }
func (l raftLogger) Errorf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }
func (l raftLogger) Fatal(v ...any)                 { l.Panic(v...) }
func (l raftLogger) Fatalf(format string, v ...any) { l.Panicf(format, v...) }

func (l raftLogger) Panic(v ...any) {
	message := fmt.Sprint(v...)
	l.log.Error(message)
	panic(message)
}

func (l raftLogger) Panicf(format string, v ...any) {
	message := fmt.Sprintf(format, v...)
	l.log.Error(message)
	panic(message)
}
