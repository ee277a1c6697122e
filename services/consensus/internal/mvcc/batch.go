package mvcc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
)

// Batch is the write side of the store: the rows that commands make, in log order, become visible and, later, durable
// together. It is for one goroutine.
//
// What a command does stands between BeginRevision and EndRevision. It sees the commands before it, from an overlay in front
// of what was committed when the batch began. A batch cannot take a write back: whatever may refuse a command must be known
// before the first.
type Batch struct {
	s *Store
	w writer
	// base reads what was committed when the batch began, durable the part of it that is on disk.
	base    *View
	durable *pebble.Iterator
	// found is the newest version of found.key, if base or durable still stands on it: a transaction that compares a key
	// and then puts it looks once.
	found     Row
	foundLive bool

	// begun is the state that the batch started from, now what the commands so far have made of it.
	begun *state
	now   state

	overlay overlay
	// recent and fresh outlive the batch, and so does what leases knows.
	recent recent
	fresh  fresh
	leases leaseTable
	// compacts is set when a command moved the compacted revision.
	compacts bool
	// usageSteps has a mark for each revision that the batch has made.
	usageSteps []usageMark
	// digests are those at the multiples of DigestInterval that the batch has passed.
	digests []Digest

	// dirs are the records of directories that the batch has changed; knownDirs outlives it.
	dirs      dirOverlay
	knownDirs knownDirs

	// time is that of the entry at hand, see SetTime.
	time int64
	// events of the command at hand, and what it did to the tree.
	events []*consensusv1.Event
	tree   *consensusv1.TreeChange
	// sub is how many changes of keys it has made, eventBytes about what its events take, leftOut set when they are too
	// many to be told.
	sub        int64
	eventBytes int
	leftOut    bool
	// spentBefore is usage.spent before the command at hand.
	spentBefore int64
	// observe is told of each change of a key, nil if nobody asks. See Observe.
	observe func(key []byte, keys, bytes int64)
	// slab is where copies of keys and values that events and results carry are cut from.
	slab slab

	changes []count.Change
}

func newBatch(s *Store) *Batch {
	return &Batch{s: s, overlay: newOverlay(), recent: newRecent(), leases: newLeaseTable()}
}

// Begin starts a batch. There is one at a time: it must be committed or closed before the next one begins.
func (s *Store) Begin() *Batch {
	b := s.batch
	b.begun = s.state.Load()
	b.now = *b.begun
	b.now.position = *withBase(s, b.now.position)
	b.now.usage = withCounted(s, b.begun)
	b.w.pb = s.db.NewBatch()
	return b
}

// BeginRevision is called before each command. What the command does is in the revision that EndRevision makes; where the
// command is refused, it must not have written anything.
func (b *Batch) BeginRevision() {
	b.events, b.tree, b.sub, b.eventBytes, b.leftOut = nil, nil, 0, 0, false
	b.spentBefore = b.now.usage.spent
}

// EndRevision makes a revision of what the command has changed, and returns its commit, nil if it has changed nothing. The
// commit shares memory with what the batch was given; nobody may change any of it afterwards.
func (b *Batch) EndRevision() *consensusv1.Commit {
	if b.sub == 0 && b.tree == nil {
		return nil
	}
	b.now.revision++
	noteUsage(b)
	noteTime(b)
	if b.leftOut {
		return &consensusv1.Commit{Revision: b.now.revision, LeftOut: true}
	}
	return &consensusv1.Commit{Revision: b.now.revision, Events: b.events, Tree: b.tree}
}

// Changed tells whether the command at hand has changed a key.
func (b *Batch) Changed() bool { return b.sub > 0 }

// Counters are those of the store, for whoever gives the batch its rows.
func (b *Batch) Counters() *Counters { return &b.s.counters }

// Epoch returns the epoch of the lease service that may expire leases, 0 if there was none yet.
func (b *Batch) Epoch() uint64 { return b.now.epoch }

// SetEpoch begins another epoch.
func (b *Batch) SetEpoch(epoch uint64) { b.now.epoch = epoch }

// SetApplied records the newest log entry whose commands are in the batch. It must be called after the last command of
// each entry, or the member's digests are not those of the others.
func (b *Batch) SetApplied(index, term uint64) {
	b.now.index, b.now.term = index, term
	if index%DigestInterval == 0 {
		b.digests = append(b.digests, b.now.digested())
		b.now.chain, b.now.whole = 0, true
	}
}

// Limits of a batch that Full tells of.
const (
	// batchKeysMax bounds what the commands of a batch must look through beside what is committed.
	batchKeysMax = 10_000
	// batchBytesMax bounds a batch's memory, which Pebble holds twice.
	batchBytesMax = 16 << 20
)

// Full tells whether the batch should be committed before it takes another entry of the log. A single command may pass
// the limits, since it is carried out as a whole.
func (b *Batch) Full() bool {
	return b.overlay.used+b.overlay.gone.keys >= batchKeysMax || b.w.pb.Len() >= batchBytesMax
}

// Note folds what happened to the member beside the state, by the same entry of the log on every member, into the digest.
func (b *Batch) Note(values ...uint64) {
	for _, v := range values {
		b.now.happened(v)
	}
}

// SetMeta stores a value of the caller's, together with the batch.
func (b *Batch) SetMeta(name string, value []byte) {
	b.w.set(appendMetaKey(b.w.keyBuf[:0], metaNamed+name), value)
}

// Commit makes the batch visible to readers. It is durable once DurableApplied says so; until then the log must be able
// to replay it. After an error the member must stop.
func (b *Batch) Commit() error {
	if err := failed(b.s); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), b.Close())
	}
	if err := updateCounts(b); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), b.Close())
	}
	storeUsage(b)
	b.w.valueBuf = appendPosition(b.w.valueBuf[:0], &b.now.position)
	b.w.set(appendMetaKey(b.w.keyBuf[:0], metaPosition), b.w.valueBuf)
	size := int64(b.w.pb.Len())
	b.s.commits.Add(1)
	if err := b.w.pb.Commit(pebble.NoSync); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), b.Close())
	}
	b.s.unflushed.Add(size)
	st := b.now
	b.s.state.Store(&st)
	b.s.commits.Add(1)
	if len(b.digests) > 0 {
		b.s.digests.add(b.digests)
	}
	b.overlay.each(func(k *overlayKey) {
		r := *k.newest()
		if r.Tombstone {
			// Its key is part of a slab, which would stay in memory with it.
			r.Key = bytes.Clone(r.Key)
		}
		b.recent.put(&r)
		b.fresh.add(r.Key, b.now.revision)
	})
	rememberGone(b)
	rememberDirs(b)
	b.leases.commit()
	if b.compacts {
		b.s.compaction.wake()
	}
	fitCache(b.s)
	return errors.Join(settleFresh(b), b.Close())
}

// Close gives the batch up, with whatever was not committed. It may be called twice.
func (b *Batch) Close() error {
	if b.w.pb == nil {
		return nil
	}
	err := b.w.pb.Close()
	if b.base != nil {
		err = errors.Join(err, b.base.Close())
	}
	if b.durable != nil {
		err = errors.Join(err, b.durable.Close())
	}
	b.w.pb, b.base, b.durable, b.begun, b.now, b.found = nil, nil, nil, nil, state{}, Row{}
	b.events, b.tree, b.slab, b.compacts, b.time, b.observe = nil, nil, slab{}, false, 0, nil
	b.digests, b.usageSteps = b.digests[:0], b.usageSteps[:0]
	b.overlay.reset()
	b.dirs.reset()
	b.leases.reset()
	return err
}

// Next is the revision that the command at hand makes if it changes anything.
func (b *Batch) Next() int64 { return b.now.revision + 1 }
