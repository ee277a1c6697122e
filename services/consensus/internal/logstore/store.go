package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Config is what Open needs. Only Dir is required.
type Config struct {
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
	engine  *engine
	metrics *metrics
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
func Open(o Config) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{engine: newEngine(o.Dir, &engineLog{dir: o.Dir, log: o.Logger, onFatal: o.OnFatal}), openBytes: cmp.Or(o.openBytes, openBytesDefault)}
	err := s.engine.open(o.FS)
	if err == nil {
		err = s.recover()
	}
	if torn := s.engine.torn; err == nil && torn != nil {
		o.Logger.Warn("the raft log ended in a write that was cut off, as by a power failure, and it is dropped: nothing was acknowledged "+
			"that is in it, unless the disk lost what it had confirmed",
			"file", torn.path, "offset", torn.offset, "dropped-bytes", torn.bytes, "last-index-kept", s.mu.lastIndex)
	}
	if err == nil {
		s.metrics, err = newMetrics(s, o.Registerer)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open raft log: %w", err), s.release())
	}
	return s, nil
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
	return errors.Join(s.engine.witness(), s.release())
}

// release gives back whatever Open acquired.
func (s *Store) release() error {
	if s.metrics != nil {
		s.metrics.unregister()
	}
	return s.engine.close()
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
