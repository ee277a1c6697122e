package mvcc

import (
	"cmp"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/budget"
)

// Config says where a store is and what it may use.
type Config struct {
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
	// loadRunBytes and loadTableBytes are 0 for loadRunBytesDefault and loadTableBytesDefault.
	loadRunBytes, loadTableBytes int
	// loadParts is how many parts Load reads and writes of the versions and of history, 0 for as many as keep the processors busy.
	loadParts int
	// loadBucketBytes is how much of the versions Load sorts at once at most, 0 for what there is room for.
	loadBucketBytes int64
	// farBytes is how much of a file stays where it is while its rows are sorted, 0 for what there is room for.
	farBytes int64
	// Registerer takes the store's metrics, nil for none.
	Registerer prometheus.Registerer
}

const (
	// MemTableBytesDefault trades memory (pebbletuning allows four of them, at the worst) for fewer and larger files.
	MemTableBytesDefault = budget.StateWrites
	// OpenFilesDefault keeps a store of some ten gigabytes open.
	OpenFilesDefault = 1000
)

const (
	// bulkKeysMinDefault is from how many keys on a deletion is carried out in bulk (bulk.go): a watcher's events cost more than what is saved
	// with fewer.
	bulkKeysMinDefault = 1000
	// commitEventsMaxDefault and commitBytesMax bound the events of one commit that are made and handed to the feed. Who wants to
	// see those of a larger one reads them from history.
	commitEventsMaxDefault = 10_000
	commitBytesMax         = 16 << 20
)

const (
	// loadRunBytesDefault is how much Load gathers before it is sorted, each of replacements, attachments and expiries, while as much
	// is sorted.
	loadRunBytesDefault = 4 << 20
	// loadTableBytesDefault is the size of a table of Load's, about that of those which the storage engine makes at the bottom of a large store.
	loadTableBytesDefault = 64 << 20
)

// usageMarkBytesDefault is how much is replaced and spent between two marks: it bounds what a compaction reads when it is applied.
const usageMarkBytesDefault = 64 << 10

func (o *Config) setDefaults() {
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
	o.loadRunBytes = cmp.Or(o.loadRunBytes, loadRunBytesDefault)
	o.loadTableBytes = cmp.Or(o.loadTableBytes, loadTableBytesDefault)
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
