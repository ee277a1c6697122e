package logstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/quoratedb/quorate/services/consensus/internal/interruptible"
	"github.com/quoratedb/quorate/services/consensus/internal/shortage"
)

// engineLog is Pebble's logger. Pebble calls Fatalf where it cannot go on, and expects not to return; here the failure
// is kept, told once to onFatal, and every later write refused, so that the member can stop in order.
type engineLog struct {
	dir     string
	log     *slog.Logger
	onFatal func(error)
	// shortages are logged now and then.
	shortages shortage.Notice

	mu struct {
		sync.Mutex
		failure error
	}
}

// failed returns the first failure, wrapped in ErrFailed, or nil.
func (l *engineLog) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.failure
}

func (l *engineLog) fail(cause error) {
	l.mu.Lock()
	first := l.mu.failure == nil
	if first {
		l.mu.failure = fmt.Errorf("%w in %s: %w", ErrFailed, l.dir, cause)
	}
	err := l.mu.failure
	l.mu.Unlock()
	if !first {
		return // Pebble tries a failed flush again and again: one line is enough
	}
	l.log.Log(context.Background(), interruptible.Level(cause), "raft log cannot be written", "error", cause)
	if l.onFatal != nil {
		l.onFatal(err)
	}
}

// Infof implements pebble.Logger.
func (l *engineLog) Infof(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...))
}

// Errorf implements pebble.Logger.
func (l *engineLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger.
func (l *engineLog) Fatalf(format string, args ...any) {
	l.fail(fatalCause(format, args))
}

// fatalCause keeps an error among the arguments matchable with errors.Is: a full disk is one.
func fatalCause(format string, args []any) error {
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			return fmt.Errorf("%s (%w)", fmt.Sprintf(format, args...), err)
		}
	}
	return fmt.Errorf(format, args...)
}

// backgroundError takes the failure of a flush or compaction, which Pebble tries again at once and for ever. Where that does
// not pass, appends would go on into what space is left and then hang: better to stop with the cause.
func (l *engineLog) backgroundError(err error) {
	if shortage.Passes(err) {
		l.shortages.Warn(l.log, err)
		return
	}
	l.fail(err)
}

func (l *engineLog) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: l.backgroundError,
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			l.fail(fmt.Errorf("%w: file %s: %w; %s", ErrCorrupt, info.Path, info.Details, recoverAdvice))
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			l.log.Warn("raft log: disk is slow", "path", info.Path, "operation", info.OpType.String(), "took", info.Duration)
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			l.log.Warn("raft log: writes are held back", "reason", info.Reason)
		},
		WriteStallEnd: func() { l.log.Info("raft log: writes go on") },
	}
}
