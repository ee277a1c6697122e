package mvcc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/quoratedb/quorate/services/consensus/internal/shortage"
)

const (
	// filterBitsPerKey makes one lookup in a hundred read a block in vain.
	filterBitsPerKey = 10
	// blockBytes is larger than Pebble's 4 KiB: ranges are read more often than cold single keys, and it compresses better.
	blockBytes      = 16 << 10
	indexBlockBytes = 32 << 10
	// memTablesMax bounds the memtables that wait for the disk before writers do.
	memTablesMax = 4
	// l0StopWritesSublevels is far above where compaction starts (l0CompactionSublevels), so that a burst does not stop writers.
	l0StopWritesSublevels = 24
	l0CompactionSublevels = 4
	levelBaseBytes        = 64 << 20
	compactionsMax        = 2
)

// pebbleOptions has the WAL off: the raft log is one already, and it is truncated only below what is flushed here.
// Values stay with their keys, as Pebble calls separating them experimental.
func pebbleOptions(s *Store) *pebble.Options {
	o := &pebble.Options{
		FS:                          s.opts.FS,
		Cache:                       s.cache.Cache,
		Comparer:                    &cockroachkvs.Comparer,
		KeySchema:                   cockroachkvs.KeySchema.Name,
		KeySchemas:                  sstable.MakeKeySchemas(&cockroachkvs.KeySchema),
		FormatMajorVersion:          pebble.FormatColumnarBlocks,
		DisableWAL:                  true,
		MemTableSize:                s.opts.MemTableBytes,
		MemTableStopWritesThreshold: memTablesMax,
		L0CompactionThreshold:       l0CompactionSublevels,
		L0StopWritesThreshold:       l0StopWritesSublevels,
		LBaseMaxBytes:               levelBaseBytes,
		MaxOpenFiles:                s.opts.OpenFilesMax,
		CompactionConcurrencyRange:  func() (int, int) { return 1, compactionsMax },
		Logger:                      pebbleLogger{s},
		EventListener: &pebble.EventListener{
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
		},
	}
	o.Experimental.EnableValueBlocks = func() bool { return true }
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockBytes
		o.Levels[i].IndexBlockSize = indexBlockBytes
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBitsPerKey)
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	return o
}

// backgroundError takes the failure of a flush or compaction, which Pebble tries again at once and for ever.
func backgroundError(s *Store, err error) {
	if shortage.Passes(err) {
		s.shortages.Warn(s.log, err)
		return
	}
	fail(s, fmt.Errorf("storage: %w", err))
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
	fail(l.s, fmt.Errorf("storage: "+format, args...))
}
