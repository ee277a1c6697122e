package peer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// taking is the side of snapshots that needs one. It takes one at a time, and each taking is owned by a goroutine.
type taking struct {
	t  *Transport
	r  *run
	mu struct {
		sync.Mutex
		newest *take
		takes  int // goroutines that take or decline an offer
	}
}

// take is the taking of one snapshot.
type take struct {
	from    uint64
	offer   offer
	message *raftpb.Message
	cancel  context.CancelCauseFunc
	over    bool // it has ended and only keeps what it has got, under taking's lock
	ended   chan struct{}

	// got is what has arrived. The one who owns the take has it, and after that whoever takes the next snapshot.
	got *arrived
}

// arrived is a directory with a part of a snapshot.
type arrived struct {
	key      takeKey
	dir      string
	verified map[string]int64 // bytes that are written and have the right checksum, by file
	synced   map[string]bool
}

// takeKey tells snapshots apart.
type takeKey struct {
	from uint64
	id   string
}

// errNewerOffer ends a take for the sake of a newer one.
var errNewerOffer = errors.New("a newer snapshot is taken instead")

// errOlderLeader declines the offer of a leader that has been replaced.
var errOlderLeader = errors.New("a snapshot of a newer leader is being taken")

func newTaking(t *Transport, r *run) *taking { return &taking{t: t, r: r} }

// removeLeftovers empties the directory of what a crash has left.
func (k *taking) removeLeftovers() error {
	filesystem, dir := k.t.cfg.FS, k.t.cfg.SnapshotDir
	if dir == "" {
		return nil
	}
	names, err := filesystem.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for what is left of snapshots: %w", err)
	}
	for _, name := range names {
		if err := filesystem.RemoveAll(filesystem.PathJoin(dir, name)); err != nil {
			return fmt.Errorf("remove what is left of a snapshot: %w", err)
		}
	}
	return nil
}

// close removes what the last take has got. Nobody takes any more.
func (k *taking) close() error {
	if k.mu.newest == nil {
		return nil
	}
	return k.discard(k.mu.newest.got)
}

func (k *taking) discard(got *arrived) error {
	if got == nil {
		return nil
	}
	return k.t.cfg.FS.RemoveAll(got.dir)
}

// consider takes the snapshot that is offered, unless it is under way or that of an older leader than the one under way
// is. It does not wait. More than takesMax offers at a time are no sender's of ours: the stream that they come on ends.
func (k *taking) consider(from uint64, o offer) error {
	message := &raftpb.Message{}
	if err := proto.Unmarshal(o.Message, message); err != nil || message.GetType() != raftpb.MsgSnap || !plainName(o.ID) {
		return fmt.Errorf("%w: offer of snapshot %q is none (%v)", wire.ErrBadFrame, wire.Clip(o.ID, offerIDBytesMax), err)
	}
	if message.GetFrom() != from || message.GetTo() != k.r.self || len(o.ID) > offerIDBytesMax || len(o.URLs) > wire.URLsMax {
		return fmt.Errorf("%w: offer of snapshot %q from %x to %x, with %d URLs, by %x", wire.ErrBadFrame, wire.Clip(o.ID, offerIDBytesMax), message.GetFrom(), message.GetTo(), len(o.URLs), from)
	}
	ctx, cancel := context.WithCancelCause(k.r.ctx)
	next := &take{from: from, offer: o, message: message, cancel: cancel, ended: make(chan struct{})}
	run, err := k.admit(ctx, next)
	if run == nil {
		cancel(nil)
		return err
	}
	k.r.working.Go(func() {
		defer func() {
			k.mu.Lock()
			k.mu.takes--
			k.mu.Unlock()
		}()
		run()
	})
	return nil
}

// admit returns what is to be done about an offer, nil for nothing.
func (k *taking) admit(ctx context.Context, next *take) (run func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	previous := k.mu.newest
	underWay := previous != nil && !previous.over
	if underWay && previous.key() == next.key() {
		return nil, nil
	}
	if k.mu.takes >= takesMax {
		return nil, fmt.Errorf("%w: %d offers of snapshots are under consideration already", wire.ErrBadFrame, k.mu.takes)
	}
	k.mu.takes++
	if underWay && next.message.GetTerm() < previous.message.GetTerm() {
		return func() { k.decline(next, errOlderLeader) }, nil
	}
	k.mu.newest = next
	if previous != nil {
		previous.cancel(errNewerOffer)
	}
	return func() { k.run(ctx, previous, next) }, nil
}

func (n *take) key() takeKey { return takeKey{n.from, n.offer.ID} }

// decline tells the sender that its snapshot is not taken, so that it need not wait.
func (k *taking) decline(n *take, why error) {
	defer n.cancel(nil)
	k.report(k.r.ctx, n, why)
}

// run takes a snapshot once the previous take has ended.
func (k *taking) run(ctx context.Context, previous, n *take) {
	defer n.cancel(nil)
	if previous != nil {
		<-previous.ended
		n.got, previous.got = previous.got, nil
	}
	err := k.take(ctx, n)
	if err == nil {
		k.t.log.Info("took a snapshot of a peer", "peer", identity.Format(n.from), "snapshot", n.offer.ID, "index", n.offer.Index)
	} else {
		k.t.notices.Warn(n.from, "did not get a peer's snapshot", "snapshot", n.offer.ID, "index", n.offer.Index, "error", err)
	}
	// From now on the same snapshot may be offered again: its sender hears of the failure before this take has ended.
	k.mu.Lock()
	n.over = true
	k.mu.Unlock()
	if errors.Is(err, errNewerOffer) {
		close(n.ended) // the newer one need not wait for the report; it goes on with what has arrived, or removes it
		k.report(k.r.ctx, n, err)
		return
	}
	k.report(ctx, n, err)
	k.linger(ctx, n, err)
	close(n.ended)
}

// take gets the files and has the member install them.
func (k *taking) take(ctx context.Context, n *take) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if k.t.cfg.SnapshotDir == "" {
		return errors.New("this member takes no snapshots")
	}
	if n.got != nil && n.got.key != n.key() {
		if err := k.discard(n.got); err != nil {
			return fmt.Errorf("remove what is left of another snapshot: %w", err)
		}
		n.got = nil
	}
	if n.got == nil {
		dir := k.t.cfg.FS.PathJoin(k.t.cfg.SnapshotDir, identity.Format(n.from)+"-"+n.offer.ID)
		n.got = &arrived{key: n.key(), dir: dir, verified: make(map[string]int64), synced: make(map[string]bool)}
	}
	k.t.log.Info("taking a snapshot of a peer", "peer", identity.Format(n.from), "snapshot", n.offer.ID, "index", n.offer.Index)
	p := &pull{t: k.t, from: n.from, id: n.offer.ID, urls: n.offer.URLs, got: n.got}
	if err := p.all(ctx); err != nil {
		return err
	}
	return k.install(ctx, n, p)
}

// install hands the files to the member, and tells the sender meanwhile that this side is alive.
func (k *taking) install(ctx context.Context, n *take, p *pull) error {
	signs, cancel := context.WithCancel(ctx)
	var signing sync.WaitGroup
	signing.Go(func() {
		ticker := time.NewTicker(transferIdleMax / transferSigns)
		defer ticker.Stop()
		for {
			select {
			case <-signs.Done():
				return
			case <-ticker.C:
				_, _ = p.manifest(signs) // a lost sign is repaired by the next
			}
		}
	})
	err := k.r.receiver.InstallSnapshot(ctx, ReceivedSnapshot{Dir: n.got.dir, From: n.from, Index: n.offer.Index, Term: n.offer.Term, Message: n.message})
	cancel()
	signing.Wait()
	if err != nil {
		err = fmt.Errorf("install the snapshot: %w", err)
	}
	return errors.Join(err, k.forget(n))
}

// forget removes what has arrived for n.
func (k *taking) forget(n *take) error {
	got := n.got
	n.got = nil
	return k.discard(got)
}

// report tells the sender how it ended. If that gets lost, the sender notices that this side is silent.
func (k *taking) report(ctx context.Context, n *take, err error) {
	told := result{OK: err == nil}
	if err != nil {
		told.Error = err.Error()
	}
	p := &pull{t: k.t, from: n.from, id: n.offer.ID, urls: n.offer.URLs}
	ctx, cancel := context.WithTimeout(ctx, transferIdleMax)
	defer cancel()
	err = p.persistently(ctx, func() error { return p.report(ctx, told) })
	var refusal *wire.Refusal
	if err != nil && !errors.As(err, &refusal) && k.r.ctx.Err() == nil {
		k.t.notices.Warn(n.from, "could not tell a peer how taking its snapshot ended", "error", err)
	}
}

// linger keeps what has arrived of a snapshot for a while if the sender or the way to it failed: it may be offered again.
// What this side cannot use or has no room for goes at once.
func (k *taking) linger(ctx context.Context, n *take, err error) {
	var broken *brokenTransfer
	if errors.As(err, &broken) {
		select {
		case <-ctx.Done():
			return // whoever comes next goes on with it or removes it
		case <-time.After(partKeptMax):
		}
	}
	if errors.Is(context.Cause(ctx), errNewerOffer) {
		return
	}
	if err := k.forget(n); err != nil {
		k.t.log.Warn("could not remove a part of a snapshot", "error", err)
	}
}

// room refuses what would fill the disk.
func room(filesystem vfs.FS, dir string, size int64) error {
	usage, err := filesystem.GetDiskUsage(dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for room for a snapshot: %w", err)
	}
	if usage.AvailBytes < uint64(size)+diskReserveBytes {
		return fmt.Errorf("no room for a snapshot of %d bytes in %s: %d bytes are free, of which %d must stay free", size, dir, usage.AvailBytes, int64(diskReserveBytes))
	}
	return nil
}
