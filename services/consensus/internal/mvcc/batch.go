package mvcc

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc/count"
)

// Batch is the write side of the store: commands are applied to it in log order and become visible and, later,
// durable together. It is for one goroutine.
//
// Each command sees those before it, from an overlay in front of what was committed when the batch began. A command is
// first checked, then carried out; nothing is written before everything that may refuse it is known, since a batch
// cannot take a write back.
type Batch struct {
	s  *Store
	pb *pebble.Batch
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
	// recent and fresh outlive the batch.
	recent recent
	fresh  fresh
	leases map[int64]*consensusv1.Lease
	// compacts is set when a command moved the compacted revision.
	compacts bool
	// usageSteps has a mark for each revision that the batch has made.
	usageSteps []usageMark
	// digests are those at the multiples of DigestInterval that the batch has passed.
	digests []Digest

	// dirs are the records of directories that the batch has changed.
	dirs dirOverlay

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
	// Unanswered says that nobody waits for the answers of the commands to come: what they hold beside what the state
	// needs is left out.
	Unanswered bool
	// slab is where copies of keys and values that events and results carry are cut from.
	slab slab

	keyBuf, valueBuf []byte
	changes          []count.Change
}

func newBatch(s *Store) *Batch {
	return &Batch{s: s, overlay: newOverlay(), recent: newRecent(), leases: make(map[int64]*consensusv1.Lease)}
}

// Begin starts a batch. There is one at a time: it must be committed or closed before the next one begins.
func (s *Store) Begin() *Batch {
	b := s.batch
	b.begun = s.state.Load()
	b.now = *b.begun
	b.now.position = *s.withBase(b.now.position)
	b.now.usage = s.withCounted(b.begun)
	b.pb = s.db.NewBatch()
	return b
}

// Apply carries out a command. The result is what its proposer gets, the commit what it changed, nil if nothing.
//
// An error that is one of problem's refuses the command, which then has no effect; so would it on every other member.
// Any other error means that storage is broken: the member must stop, and not commit the batch.
//
// The commit and the result share memory with the command and with each other; nobody may change any of them afterwards.
func (b *Batch) Apply(cmd *consensusv1.Command) (*consensusv1.Result, *consensusv1.Commit, error) {
	b.events, b.tree, b.sub, b.eventBytes, b.leftOut = nil, nil, 0, 0, false
	before := b.now.usage
	res, err := b.apply(cmd)
	if err != nil {
		return nil, nil, err
	}
	var commit *consensusv1.Commit
	if b.sub > 0 || b.tree != nil {
		b.now.revision++
		b.noteUsage(before)
		b.noteTime()
		commit = &consensusv1.Commit{Revision: b.now.revision, Events: b.events, Tree: b.tree}
		if b.leftOut {
			commit = &consensusv1.Commit{Revision: b.now.revision, LeftOut: true}
		}
	}
	res.Revision = b.now.revision
	return res, commit, nil
}

func (b *Batch) apply(cmd *consensusv1.Command) (*consensusv1.Result, error) {
	if c, ok := cmd.GetCommand().(*consensusv1.Command_Alarm); ok {
		return b.applyAlarm(c.Alarm)
	}
	if b.corrupt() {
		return nil, problem.ErrCorrupt
	}
	switch c := cmd.GetCommand().(type) {
	case *consensusv1.Command_Put:
		return b.applyPut(c.Put)
	case *consensusv1.Command_DeleteRange:
		return b.applyDeleteRange(c.DeleteRange)
	case *consensusv1.Command_Txn:
		return b.applyTxn(c.Txn)
	case *consensusv1.Command_Compact:
		return b.applyCompact(c.Compact)
	case *consensusv1.Command_LeaseGrant:
		return b.applyLeaseGrant(c.LeaseGrant)
	case *consensusv1.Command_LeaseRevoke:
		return b.applyLeaseRevoke(c.LeaseRevoke)
	case *consensusv1.Command_LeaseAcquire:
		return b.applyLeaseAcquire(c.LeaseAcquire)
	case *consensusv1.Command_LeaseCheckpoint:
		return b.applyLeaseCheckpoint(c.LeaseCheckpoint)
	case *consensusv1.Command_Tree:
		return b.applyTree(c.Tree)
	}
	return nil, fmt.Errorf("apply: unknown command %T: a newer version of the program has written it, which this member must run too", cmd.GetCommand())
}

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
	return b.overlay.used+b.overlay.gone.keys >= batchKeysMax || b.pb.Len() >= batchBytesMax
}

// Note folds what happened to the member beside the state, by the same entry of the log on every member, into the digest.
func (b *Batch) Note(values ...uint64) {
	for _, v := range values {
		b.now.happened(v)
	}
}

// SetMeta stores a value of the caller's, together with the batch.
func (b *Batch) SetMeta(name string, value []byte) {
	b.set(appendMetaKey(b.keyBuf[:0], metaNamed+name), value)
}

// Commit makes the batch visible to readers. It is durable once DurableApplied says so; until then the log must be able
// to replay it. After an error the member must stop.
func (b *Batch) Commit() error {
	if err := b.s.failed(); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), b.Close())
	}
	if err := b.updateCounts(); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), b.Close())
	}
	b.storeUsage()
	b.valueBuf = appendPosition(b.valueBuf[:0], &b.now.position)
	b.set(appendMetaKey(b.keyBuf[:0], metaPosition), b.valueBuf)
	size := int64(b.pb.Len())
	if err := b.pb.Commit(pebble.NoSync); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), b.Close())
	}
	b.s.unflushed.Add(size)
	st := b.now
	b.s.state.Store(&st)
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
	b.rememberGone()
	if b.compacts {
		b.s.compaction.wake()
	}
	b.s.fitCache()
	return errors.Join(b.settleFresh(), b.Close())
}

// Close gives the batch up, with whatever was not committed. It may be called twice.
func (b *Batch) Close() error {
	if b.pb == nil {
		return nil
	}
	err := b.pb.Close()
	if b.base != nil {
		err = errors.Join(err, b.base.Close())
	}
	if b.durable != nil {
		err = errors.Join(err, b.durable.Close())
	}
	b.pb, b.base, b.durable, b.begun, b.now, b.found = nil, nil, nil, nil, state{}, Row{}
	b.events, b.tree, b.slab, b.compacts, b.Unanswered, b.time = nil, nil, slab{}, false, false, 0
	b.digests, b.usageSteps = b.digests[:0], b.usageSteps[:0]
	b.overlay.reset()
	b.dirs.reset()
	clear(b.leases)
	return err
}

// Next is the revision that the command at hand makes if it changes anything.
func (b *Batch) Next() int64 { return b.now.revision + 1 }

func (b *Batch) raised(kind consensusv1.Alarm_Type) bool {
	return slices.ContainsFunc(b.now.alarms, func(a *consensusv1.Alarm) bool { return a.GetType() == kind })
}

// set adds a row to the batch. The key was built in keyBuf, which keeps its growth.
func (b *Batch) set(key, value []byte) {
	// A batch's Set fails only when the batch is committed already, which Begin rules out.
	_ = b.pb.Set(key, value, nil)
	b.keyBuf = key[:0]
}

func (b *Batch) delete(key []byte) {
	_ = b.pb.Delete(key, nil)
	b.keyBuf = key[:0]
}
