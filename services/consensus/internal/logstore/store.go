package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Options is what Open needs. Only Dir is required.
type Options struct {
	// Dir is the directory of the log, for it alone. It is created if it does not exist.
	Dir string
	// FS is the filesystem that Dir is on; nil is the operating system's.
	FS vfs.FS
	// Logger takes what Pebble has to say; nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics; nil means none.
	Registerer prometheus.Registerer
	// OnFatal is called once, from any goroutine, when the log can no longer be written. The member should stop: every
	// later write returns the same error. It must not call the Store.
	OnFatal func(error)
	// openBytes is 0 for openBytesDefault.
	openBytes int
}

// Store is a raft log on disk. It implements raft.Storage.
//
// The methods of raft.Storage may be called from any goroutine at any time. Writes (Append, Truncate, Reset, the
// Set methods) may be called from different goroutines; they take turns. Close comes after all of them have returned.
type Store struct {
	dir     string
	db      *pebble.DB
	cache   *pebble.Cache
	lock    *pebble.Lock
	engine  *engineLog
	metrics *metrics
	torn    *tornTail // what Open dropped, nil for nothing
	// openBytes is how much of the entries Open reads.
	openBytes int

	// writing lets one writer at a time compute a batch from mu's fields and write it. No reader takes it.
	writing sync.Mutex

	// mu guards what readers see. It is held for memory operations only.
	mu struct {
		sync.Mutex
		view
		tail     tail
		sizes    sizes
		rest     rest
		snapshot func() (*raftpb.Snapshot, error)
		closed   bool
	}
}

// view is the state of the log that is not entries: small, copied, never shared. Its messages are never changed once
// they are here.
type view struct {
	hardState *raftpb.HardState // nil before the first one
	confState *raftpb.ConfState
	confIndex uint64 // the applied index that confState belongs to

	truncatedIndex uint64 // the newest entry that is gone, which may never have existed here
	truncatedTerm  uint64
	lastIndex      uint64 // truncatedIndex when there are no entries

	identity    Identity
	hasIdentity bool
}

var _ raft.Storage = (*Store)(nil)

// Open opens the log in o.Dir, creating an empty one if there is none, and verifies the newest entries; VerifyRest does the others. It returns
// ErrInUse, ErrNotWritable, ErrCorrupt or ErrMissing, each with the directory or file and what to do about it.
func Open(o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		dir:    o.Dir,
		engine: &engineLog{log: o.Logger, onFatal: o.OnFatal},
		cache:  pebble.NewCache(blockCacheBytes),

		openBytes: cmp.Or(o.openBytes, openBytesDefault),
	}
	err := s.open(o.FS)
	if err == nil {
		err = s.recover()
	}
	if err == nil && s.torn != nil {
		o.Logger.Warn("the raft log ended in a write that was cut off, as by a power failure, and it is dropped: nothing was acknowledged "+
			"that is in it, unless the disk lost what it had confirmed",
			"file", s.torn.path, "offset", s.torn.offset, "dropped-bytes", s.torn.bytes, "last-index-kept", s.mu.lastIndex)
	}
	if err == nil {
		s.metrics, err = newMetrics(s, o.Registerer)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open raft log: %w", err), s.release())
	}
	return s, nil
}

// open takes the directory's lock, checks what Pebble does not, and opens the database.
func (s *Store) open(fs vfs.FS) error {
	plain := fs
	if plain == nil {
		plain = vfs.Default
	}
	var err error
	if s.lock, err = lockDir(plain, s.dir); err != nil {
		return err
	}
	exists, torn, err := checkFiles(plain, s.dir)
	if err != nil {
		return err
	}
	s.torn = torn
	// A new database writes its first write-ahead file before it raises its format to the one asked for, so that file
	// would lack the synced offsets that checkNewestWAL goes by. Opening it once more starts another file.
	opens := 1
	if !exists {
		opens = 2
	}
	for i := range opens {
		s.db, err = s.openEngine(fs)
		if err = errors.Join(err, s.engine.failed()); err != nil {
			return s.openError(err)
		}
		if i < opens-1 {
			if err = s.db.Close(); err != nil {
				s.db = nil
				return s.openError(err)
			}
		}
	}
	return nil
}

// openEngine opens the database. Pebble ends in a panic where its files contradict each other.
func (s *Store) openEngine(fsys vfs.FS) (db *pebble.DB, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			db, err = nil, fmt.Errorf("%w: the storage engine cannot make sense of its files: %v", ErrCorrupt, cause)
		}
	}()
	return pebble.Open(s.dir, engineOptions(fsys, s.lock, s.cache, s.engine))
}

func (s *Store) openError(err error) error {
	if pebble.IsCorruptionError(err) || errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: directory %s: %w; %s", ErrCorrupt, s.dir, err, recoverAdvice)
	}
	return fmt.Errorf("directory %s: %w", s.dir, err)
}

// SetSnapshotFunc gives the Store something to answer Snapshot with. f is called without locks held.
func (s *Store) SetSnapshotFunc(f func() (*raftpb.Snapshot, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.snapshot = f
}

// Close makes everything that was written durable, leaves a witness behind the last record (see the package comment)
// and releases the directory. No other method may be running or be called later; a second Close does nothing.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	closed := s.mu.closed
	s.mu.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	return errors.Join(s.witness(), s.release())
}

// witness writes empty records behind the last one. Each says how far the file was synced when it was written, and
// Pebble may learn of a sync just after the writer does: the third record is sure to cover all that came before the
// first.
func (s *Store) witness() error {
	for range 3 {
		if err := s.syncWAL(); err != nil {
			return err
		}
	}
	return nil
}

// release gives back whatever open acquired.
func (s *Store) release() error {
	var errs []error
	if s.metrics != nil {
		s.metrics.unregister()
	}
	if s.db != nil {
		if err := s.db.Close(); err != nil && s.engine.failed() == nil {
			errs = append(errs, fmt.Errorf("close raft log in %s: %w", s.dir, err))
		}
	}
	s.cache.Unref()
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// checkWritableLocked says why a write cannot be tried. The caller holds s.writing.
func (s *Store) checkWritableLocked() error {
	if err := s.engine.failed(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return ErrClosed
	}
	return nil
}

// commit writes a batch. Pebble reports a failed commit through its logger and then returns as if all were well, hence
// the second look.
func (s *Store) commit(b *pebble.Batch, sync bool) error {
	err := b.Commit(&pebble.WriteOptions{Sync: sync})
	if failure := s.engine.failed(); failure != nil {
		return failure
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return nil
}

// syncWAL makes all earlier writes durable.
func (s *Store) syncWAL() error {
	if err := s.engine.failed(); err != nil {
		return err
	}
	err := s.db.LogData(nil, pebble.Sync)
	if failure := s.engine.failed(); failure != nil {
		return failure
	}
	return err
}

// set writes one sealed value under its key.
func set(b *pebble.Batch, key, payload []byte) error {
	return b.Set(key, seal(key, payload), nil)
}

// setMessage writes one sealed protobuf message under its key.
func setMessage(b *pebble.Batch, key []byte, m proto.Message) error {
	payload, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode raft log record: %w", err)
	}
	return set(b, key, payload)
}
