package mvcc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"

	"github.com/quoratedb/quorate/services/consensus/internal/pebbletuning"
	"github.com/quoratedb/quorate/services/consensus/internal/shortage"
)

// pebbleOptions wires the state's tuning to the store.
func pebbleOptions(s *Store) *pebble.Options {
	o := pebbletuning.State(s.opts.MemTableBytes, s.opts.OpenFilesMax)
	o.FS = s.opts.FS
	o.Cache = s.cache.Cache
	o.Logger = pebbleLogger{s}
	o.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) { backgroundError(s, err) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			fail(s, fmt.Errorf("file %s is damaged: %w", i.Path, i.Details))
		},
		FlushEnd: func(i pebble.FlushInfo) {
			if i.Err == nil {
				flushed(s, int64(i.InputBytes))
			}
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			s.log.Warn("writes wait for the disk", "reason", i.Reason)
		},
		WriteStallEnd: func() { s.log.Info("writes go on") },
		DiskSlow: func(i pebble.DiskSlowInfo) {
			s.log.Warn("disk is slow", "file", i.Path, "took", i.Duration)
		},
	}
	return o
}

// backgroundError takes the failure of a flush or compaction, which Pebble tries again at once and for ever.
func backgroundError(s *Store, err error) {
	if shortage.Passes(err) {
		s.shortages.Warn(s.log, err)
		return
	}
	fail(s, err)
}

// pebbleLogger hands Pebble's log to slog. Pebble reports every flush and compaction, so its news are debug to us.
type pebbleLogger struct{ s *Store }

func (l pebbleLogger) Infof(format string, args ...any) {
	if l.s.log.Enabled(context.Background(), slog.LevelDebug) {
		l.s.log.Debug(fmt.Sprintf(format, args...))
	}
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.s.log.Error(fmt.Sprintf(format, args...))
}

// Fatalf returns, where Pebble's own logger ends the process: the places that call it go on to return the error, and the
// member that owns the store decides how to stop.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	fail(l.s, fmt.Errorf(format, args...))
}
