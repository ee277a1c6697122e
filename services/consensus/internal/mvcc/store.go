package mvcc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/interruptible"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
	"github.com/quoratedb/quorate/services/consensus/internal/shortage"
)

// Store is the replicated state. Reads may run concurrently with each other and with the one Batch that writes.
type Store struct {
	opts Config
	log  *slog.Logger
	db   *pebble.DB
	lock *pebble.Lock
	// cache outlives db by Close.
	cache *blockCache

	// state is what readers start from: it is replaced after a batch is committed, never before.
	state atomic.Pointer[state]
	// commits is raised before a batch is committed, and again after its state is published: while it is odd, what Pebble shows may
	// be newer than state.
	commits atomic.Uint64

	// batch is the one that Begin hands out, kept for its buffers.
	batch *Batch

	compaction compaction
	digests    digests
	// base is what Verify found that the digest's sum must be added to, nil while it has not or need not.
	base atomic.Pointer[uint64]
	// counted is what CountUsage found, nil while it has not or need not.
	counted  atomic.Pointer[countedUsage]
	counters Counters
	// conceal takes the metrics back, nil if nobody has them.
	conceal atomic.Pointer[func()]

	// unflushed is about how many bytes were committed and are not on disk yet.
	unflushed atomic.Int64
	// flushes counts the flushes.
	flushes atomic.Uint64

	failure   atomic.Pointer[error]
	shortages shortage.Notice
	close     struct {
		sync.Once
		err error
	}
}

// Counters count what the store was asked to do. Puts are counted by Batch.Put; the others by who asks.
type Counters struct {
	Puts, Deletes, Txns, Ranges atomic.Uint64
	// PutBytes are those of the keys and values of all puts.
	PutBytes atomic.Uint64
	// Revoked counts leases that were, and ttls those that were granted, by the exponent of their time, whose sum ttlSum is.
	Revoked, ttlSum atomic.Uint64
	ttls            [ttlBuckets + 1]atomic.Uint64
}

// ttlBuckets are those of a histogram of leases' times: a second, two, and so on to three months.
const ttlBuckets = 24

// Granted counts a lease that was granted for so many seconds.
func (c *Counters) Granted(ttl int64) {
	c.ttls[min(bits.Len64(uint64(max(ttl, 1)-1)), ttlBuckets)].Add(1)
	c.ttlSum.Add(uint64(max(ttl, 0)))
}

// granted returns how many leases were granted, how many for a time up to each bucket's, and the sum of all.
func (c *Counters) granted() (count uint64, buckets map[float64]uint64, sum float64) {
	buckets = make(map[float64]uint64, ttlBuckets)
	for i := range c.ttls {
		count += c.ttls[i].Load()
		if i < ttlBuckets {
			buckets[float64(uint64(1)<<i)] = count
		}
	}
	return count, buckets, float64(c.ttlSum.Load())
}

// state is an immutable snapshot of all that is not kept by key.
type state struct {
	position
	usage usage
	// alarms, ordered by member and type.
	alarms []*consensusv1.Alarm
	// counts holds the keys of the newest revision.
	counts *count.Index
	// timed is the newest time in the index of times.
	timed int64
}

// Open opens the store in o.Dir, and makes a fresh one if there is none. It fails with ErrInUse, ErrCorrupt, or
// with an error that names the directory or file that could not be used.
func Open(o Config) (*Store, error) {
	o.setDefaults()
	s := &Store{opts: o, log: o.Logger}
	if err := openPebble(s); err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
	}
	s.batch = newBatch(s)
	err := load(s)
	if err == nil {
		err = s.Expose(o.Registerer)
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("open store %s: %w", o.Dir, err), s.db.Close(), s.lock.Close())
		s.cache.close()
		return nil, err
	}
	return s, nil
}

func openPebble(s *Store) error {
	lock, err := takeDir(s.opts.FS, s.opts.Dir)
	if err != nil {
		return err
	}
	if err := checkDir(s.opts.FS, s.opts.Dir); err != nil {
		return errors.Join(err, lock.Close())
	}
	s.cache = newBlockCache(s.opts.CacheBytes)
	po := pebbleOptions(s)
	po.Lock = lock
	db, err := openEngine(s.opts.Dir, po)
	if err != nil {
		s.cache.close()
		return errors.Join(err, lock.Close())
	}
	s.cache.fit(int64(db.Metrics().DiskSpaceUsage()))
	s.db, s.lock = db, lock
	return nil
}

// load reads what is kept in memory: the position, the alarms and the index of counts, whose size is to that of the keys
// as one to some hundred.
func load(s *Store) error {
	if err := checkFormat(s); err != nil {
		return err
	}
	st := &state{position: freshPosition()}
	b, err := getRow(s, appendMetaKey(nil, metaPosition))
	if err != nil {
		return err
	}
	if b != nil {
		if err := decodePosition(b, &st.position); err != nil {
			return err
		}
		if err := beginDigest(s, &st.position); err != nil {
			return err
		}
	}
	if err := loadUsage(s, st, b == nil); err != nil {
		return err
	}
	if st.alarms, err = loadAlarms(s); err != nil {
		return err
	}
	if st.counts, err = loadCounts(s); err != nil {
		return err
	}
	if err = loadTimes(s, st); err != nil {
		return err
	}
	s.state.Store(st)
	return loadCompaction(s)
}

func loadAlarms(s *Store) ([]*consensusv1.Alarm, error) {
	var alarms []*consensusv1.Alarm
	lower, upper := spaceAlarm.bounds()
	err := s.each(lower, upper, func(k, v []byte) error {
		alarm, err := alarmOf(k, v)
		alarms = append(alarms, alarm)
		return err
	})
	return alarms, err
}

// getRow returns a copy of what is stored under a key of Pebble's, nil if nothing is.
func getRow(s *Store, key []byte) ([]byte, error) {
	b, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return append([]byte{}, b...), nil
}

// each calls fn for every row in [lower, upper) of Pebble's keys. What fn gets is valid until it returns.
func (s *Store) each(lower, upper []byte, fn func(key, value []byte) error) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	return eachRow(it, fn)
}

// eachRow calls fn for every row of it, and closes it.
func eachRow(it *pebble.Iterator, fn func(key, value []byte) error) error {
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err == nil {
			err = fn(it.Key(), v)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return it.Close()
}

// Close flushes, so that the next Open has nothing to replay, and gives the directory free. No batch may be under way,
// and RunCompaction must have ended. It may be called twice.
func (s *Store) Close() error {
	s.close.Do(func() {
		s.Conceal() // a scrape must not find a closed database
		var flush error
		if failed(s) == nil {
			flush = s.db.Flush()
		}
		s.close.err = errors.Join(flush, s.db.Close())
		s.cache.close()
		if s.close.err == nil && failed(s) == nil {
			s.close.err = leaveClean(s.opts.FS, s.opts.Dir)
		}
		s.close.err = errors.Join(s.close.err, s.lock.Close())
	})
	return s.close.err
}

// Discard is Close for a store that is not needed any more: what is not on disk yet is dropped, and the directory is left
// as a crash would.
func (s *Store) Discard() error {
	s.close.Do(func() {
		s.Conceal()
		s.close.err = s.db.Close()
		s.cache.close()
		s.close.err = errors.Join(s.close.err, s.lock.Close())
	})
	return s.close.err
}

// Flush makes everything durable that is committed.
func (s *Store) Flush() error {
	if err := failed(s); err != nil {
		return err
	}
	return s.db.Flush()
}

// FlushSoon has everything that is committed made durable, and does not wait for it.
func (s *Store) FlushSoon() error {
	if err := failed(s); err != nil {
		return err
	}
	_, err := s.db.AsyncFlush()
	return err
}

// flushed notes that a flush wrote about so many bytes of the memtables' to disk.
func flushed(s *Store, size int64) {
	// The memtable's bytes are a little more than the batches', so what is left may come out short, never negative.
	for old := s.unflushed.Load(); !s.unflushed.CompareAndSwap(old, max(0, old-size)); old = s.unflushed.Load() {
	}
	s.flushes.Add(1)
	s.opts.OnFlush()
}

// fitCache looks at the state's size once after each flush.
func fitCache(s *Store) {
	if flushes := s.flushes.Load(); flushes != s.cache.flushes {
		s.cache.flushes = flushes
		s.cache.fit(int64(s.db.Metrics().DiskSpaceUsage()))
	}
}

// fail records the first error that ends the store's work, and tells the owner. Pebble calls it under its lock, and tries
// a failed flush again and again.
func fail(s *Store, err error) {
	err = fmt.Errorf("storage in %s: %w", s.opts.Dir, err)
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.Log(context.Background(), interruptible.Level(err), "storage failed", "error", err)
		s.opts.OnFatal(err)
	}
}

func failed(s *Store) error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Counters are the store's, since it was opened.
func (s *Store) Counters() *Counters { return &s.counters }

// Revision returns the newest revision that readers see.
func (s *Store) Revision() int64 { return s.state.Load().revision }

// CompactedRevision returns the oldest revision that can be read, 0 if all can.
func (s *Store) CompactedRevision() int64 { return s.state.Load().compacted }

// Applied returns the index and term of the newest log entry that readers see, 0 in a fresh store.
func (s *Store) Applied() (index, term uint64) {
	st := s.state.Load()
	return st.index, st.term
}

// LeaseEpoch returns the epoch of the lease service that may expire leases, 0 if there was none yet.
func (s *Store) LeaseEpoch() uint64 { return s.state.Load().epoch }

// Alarms returns the raised alarms, ordered by member and type.
func (s *Store) Alarms() []*consensusv1.Alarm { return slices.Clone(s.state.Load().alarms) }

// Raised tells whether an alarm is raised in a member's name.
func (s *Store) Raised(member uint64, kind consensusv1.Alarm_Type) bool {
	return s.Alarm(member, kind) != nil
}

// Alarm returns the alarm that is raised in a member's name, nil if it is not.
func (s *Store) Alarm(member uint64, kind consensusv1.Alarm_Type) *consensusv1.Alarm {
	return findAlarm(s.state.Load().alarms, member, kind)
}

// Corrupt tells whether an alarm says that a member's state is not to be believed, or that no member's is.
func (s *Store) Corrupt(member uint64) bool {
	return len(s.state.Load().alarms) > 0 && (s.Raised(member, consensusv1.Alarm_TYPE_CORRUPT) || s.Raised(0, consensusv1.Alarm_TYPE_CORRUPT))
}

// DurableApplied returns the index of the newest log entry that survives a crash; the log is needed only above it.
func (s *Store) DurableApplied() (uint64, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{OnlyReadGuaranteedDurable: true})
	if err != nil {
		return 0, err
	}
	p, err := positionOn(it)
	return p.index, errors.Join(err, it.Close())
}

// Meta returns what SetMeta stored under name, nil if nothing was.
func (s *Store) Meta(name string) ([]byte, error) {
	return getRow(s, appendMetaKey(nil, metaNamed+name))
}

// Size returns the bytes that the store takes, and the part of them that is in use: Usage, or, while that is not known,
// what is left without the files that wait for their removal and what compaction is expected to give back. What is in use is
// counted before compression; what the store takes is never told to be less.
func (s *Store) Size() (disk, inUse int64) {
	return sizeOf(s, s.db.Metrics())
}

func sizeOf(s *Store, m *pebble.Metrics) (disk, inUse int64) {
	waiting := s.unflushed.Load()
	files := int64(m.DiskSpaceUsage())
	inUse, known := s.Usage()
	if !known {
		garbage := m.Table.ObsoleteSize + m.Table.ZombieSize +
			m.Table.Garbage.PointDeletionsBytesEstimate + m.Table.Garbage.RangeDeletionsBytesEstimate
		inUse = max(0, files-int64(garbage)) + waiting
	}
	return max(files+waiting, inUse), inUse
}
