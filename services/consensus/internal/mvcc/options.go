package mvcc

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/services/consensus/internal/shortage"
)

// Options say where a store is and what it may use.
type Options struct {
	// Dir holds the store's files and nothing else. It is made if it does not exist.
	Dir string
	// FS is where Dir is, nil for the machine's own file system.
	FS vfs.FS
	// Logger takes what the storage engine has to say, nil for none.
	Logger *slog.Logger
	// CacheBytes bounds the cache of blocks read from disk; 0 lets it grow with the state, between budget.StateBlocksMin and
	// budget.StateBlocksMax.
	CacheBytes int64
	// MemTableBytes is how much is written in memory before it goes to disk, 0 for MemTableBytesDefault. After a crash
	// the log is replayed from the last such flush.
	MemTableBytes uint64
	// OpenFilesMax bounds the tables that are kept open, 0 for OpenFilesDefault.
	OpenFilesMax int
	// OnFlush is called each time that writes have become durable. It must neither block nor call the store; once it has
	// returned, DurableApplied tells how far.
	OnFlush func()
	// OnFatal is called once, when the store can no longer do its work: the disk is full or fails, or a file is damaged.
	// It must neither block nor call the store. Every further commit is refused, and one that is waiting for the disk just
	// then waits for as long as the disk fails; what the store holds stays readable.
	OnFatal func(error)
	// usageMarkBytes is how much is replaced and spent between two marks, 0 for usageMarkBytesDefault.
	usageMarkBytes int64
	// bulkKeysMin and commitEventsMax are 0 for bulkKeysMinDefault and commitEventsMaxDefault.
	bulkKeysMin, commitEventsMax int
	// Registerer takes the store's metrics, nil for none.
	Registerer prometheus.Registerer
}

const (
	// MemTableBytesDefault trades memory (memTablesMax of them, at the worst) for fewer and larger files.
	MemTableBytesDefault = budget.StateWrites
	// OpenFilesDefault keeps a store of some ten gigabytes open.
	OpenFilesDefault = 1000
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

func (o *Options) setDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = MemTableBytesDefault
	}
	if o.usageMarkBytes == 0 {
		o.usageMarkBytes = usageMarkBytesDefault
	}
	o.bulkKeysMin = cmp.Or(o.bulkKeysMin, bulkKeysMinDefault)
	o.commitEventsMax = cmp.Or(o.commitEventsMax, commitEventsMaxDefault)
	if o.OpenFilesMax == 0 {
		o.OpenFilesMax = OpenFilesDefault
	}
	if o.OnFlush == nil {
		o.OnFlush = func() {}
	}
	if o.OnFatal == nil {
		o.OnFatal = func(error) {}
	}
}

// pebbleOptions has the WAL off: the raft log is one already, and it is truncated only below what is flushed here.
// Values stay with their keys, as Pebble calls separating them experimental.
func (s *Store) pebbleOptions() *pebble.Options {
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
			BackgroundError: s.backgroundError,
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				s.fail(fmt.Errorf("file %s is damaged: %w", i.Path, i.Details))
			},
			FlushEnd: func(i pebble.FlushInfo) {
				if i.Err == nil {
					s.flushed(int64(i.InputBytes))
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
func (s *Store) backgroundError(err error) {
	if shortage.Passes(err) {
		s.shortages.Warn(s.log, err)
		return
	}
	s.fail(fmt.Errorf("storage: %w", err))
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
	l.s.fail(fmt.Errorf("storage: "+format, args...))
}
