package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// Taker is the side of snapshots that needs one. It takes one at a time, and each take is owned by a goroutine.
type Taker struct {
	ctx     context.Context
	cfg     Config
	network Network
	member  Member
	working *sync.WaitGroup
	mu      struct {
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
	over    bool // it has ended and only keeps what it has got, under the taker's lock
	ended   chan struct{}

	// got is what has arrived. The one who owns the take has it, and after that whoever takes the next snapshot.
	got *arrived
}

// errNewerOffer ends a take for the sake of a newer one.
var errNewerOffer = errors.New("a newer snapshot is taken instead")

// errOlderLeader declines the offer of a leader that has been replaced.
var errOlderLeader = errors.New("a snapshot of a newer leader is being taken")

// NewTaker makes the taker of what is offered until ctx ends. Its goroutines are counted in working.
func NewTaker(ctx context.Context, cfg Config, network Network, member Member, working *sync.WaitGroup) *Taker {
	return &Taker{ctx: ctx, cfg: cfg, network: network, member: member, working: working}
}

// RemoveLeftovers empties the directory of what a crash has left.
func (k *Taker) RemoveLeftovers() error {
	filesystem, dir := k.cfg.FS, k.cfg.Dir
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

// Close removes what the last take has got. Nobody takes any more.
func (k *Taker) Close() error {
	if k.mu.newest == nil {
		return nil
	}
	return k.discard(k.mu.newest.got)
}

func (k *Taker) discard(got *arrived) error {
	if got == nil {
		return nil
	}
	return k.cfg.FS.RemoveAll(got.dir)
}

// Consider takes the snapshot that is offered, unless it is under way or that of an older leader than the one under way
// is. payload is the offer in JSON. It does not wait. More than takesMax offers at a time are no sender's of ours: the stream
// that they come on ends.
func (k *Taker) Consider(from uint64, payload []byte) error {
	o, message, err := parseOffer(payload, from, k.member.MemberID())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(k.ctx)
	next := &take{from: from, offer: o, message: message, cancel: cancel, ended: make(chan struct{})}
	run, err := k.admit(ctx, next)
	if run == nil {
		cancel(nil)
		return err
	}
	k.working.Go(func() {
		defer func() {
			k.mu.Lock()
			k.mu.takes--
			k.mu.Unlock()
		}()
		run()
	})
	return nil
}

// parseOffer takes apart what a member offers to this one, with the MsgSnap in it, or refuses it: wire.ErrBadFrame.
func parseOffer(payload []byte, from, self uint64) (o offer, message *raftpb.Message, err error) {
	if err := json.Unmarshal(payload, &o); err != nil {
		return o, nil, fmt.Errorf("%w: offer of a snapshot: %w", wire.ErrBadFrame, err)
	}
	message = &raftpb.Message{}
	if err := proto.Unmarshal(o.Message, message); err != nil || message.GetType() != raftpb.MsgSnap || !plainName(o.ID) {
		return o, nil, fmt.Errorf("%w: offer of snapshot %q is none (%v)", wire.ErrBadFrame, wire.Clip(o.ID, offerIDBytesMax), err)
	}
	if message.GetFrom() != from || message.GetTo() != self || len(o.ID) > offerIDBytesMax || len(o.URLs) > wire.URLsMax {
		return o, nil, fmt.Errorf("%w: offer of snapshot %q from %x to %x, with %d URLs, by %x", wire.ErrBadFrame, wire.Clip(o.ID, offerIDBytesMax), message.GetFrom(), message.GetTo(), len(o.URLs), from)
	}
	return o, message, nil
}

// admit returns what is to be done about an offer, nil for nothing.
func (k *Taker) admit(ctx context.Context, next *take) (run func(), err error) {
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
func (k *Taker) decline(n *take, why error) {
	defer n.cancel(nil)
	k.report(k.ctx, n, why)
}

// run takes a snapshot once the previous take has ended.
func (k *Taker) run(ctx context.Context, previous, n *take) {
	defer n.cancel(nil)
	if previous != nil {
		<-previous.ended
		n.got, previous.got = previous.got, nil
	}
	err := k.take(ctx, n)
	if err == nil {
		k.cfg.Log.Info("took a snapshot of a peer", "peer", identity.Format(n.from), "snapshot", n.offer.ID, "index", n.offer.Index)
	} else {
		k.cfg.Notices.Warn(n.from, "did not get a peer's snapshot", "snapshot", n.offer.ID, "index", n.offer.Index, "error", err)
	}
	// From now on the same snapshot may be offered again: its sender hears of the failure before this take has ended.
	k.mu.Lock()
	n.over = true
	k.mu.Unlock()
	if errors.Is(err, errNewerOffer) {
		close(n.ended) // the newer one need not wait for the report; it goes on with what has arrived, or removes it
		k.report(k.ctx, n, err)
		return
	}
	k.report(ctx, n, err)
	k.linger(ctx, n, err)
	close(n.ended)
}

// take gets the files and has the member install them.
func (k *Taker) take(ctx context.Context, n *take) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if k.cfg.Dir == "" {
		return errors.New("this member takes no snapshots")
	}
	if n.got != nil && n.got.key != n.key() {
		if err := k.discard(n.got); err != nil {
			return fmt.Errorf("remove what is left of another snapshot: %w", err)
		}
		n.got = nil
	}
	if n.got == nil {
		dir := k.cfg.FS.PathJoin(k.cfg.Dir, identity.Format(n.from)+"-"+n.offer.ID)
		n.got = &arrived{key: n.key(), dir: dir, verified: make(map[string]int64), synced: make(map[string]bool)}
	}
	k.cfg.Log.Info("taking a snapshot of a peer", "peer", identity.Format(n.from), "snapshot", n.offer.ID, "index", n.offer.Index)
	p := &pull{cfg: k.cfg, network: k.network, from: n.from, id: n.offer.ID, urls: n.offer.URLs, got: n.got}
	if err := p.all(ctx); err != nil {
		return err
	}
	return k.install(ctx, n, p)
}

// install hands the files to the member, and tells the sender meanwhile that this side is alive.
func (k *Taker) install(ctx context.Context, n *take, p *pull) error {
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
	err := k.member.InstallSnapshot(ctx, Received{Dir: n.got.dir, From: n.from, Index: n.offer.Index, Term: n.offer.Term, Message: n.message})
	cancel()
	signing.Wait()
	if err != nil {
		err = fmt.Errorf("install the snapshot: %w", err)
	}
	return errors.Join(err, k.forget(n))
}

// forget removes what has arrived for n.
func (k *Taker) forget(n *take) error {
	got := n.got
	n.got = nil
	return k.discard(got)
}

// report tells the sender how it ended. If that gets lost, the sender notices that this side is silent.
func (k *Taker) report(ctx context.Context, n *take, err error) {
	told := result{OK: err == nil}
	if err != nil {
		told.Error = err.Error()
	}
	p := &pull{cfg: k.cfg, network: k.network, from: n.from, id: n.offer.ID, urls: n.offer.URLs}
	ctx, cancel := context.WithTimeout(ctx, transferIdleMax)
	defer cancel()
	err = p.persistently(ctx, func() error { return p.report(ctx, told) })
	var refusal *wire.Refusal
	if err != nil && !errors.As(err, &refusal) && k.ctx.Err() == nil {
		k.cfg.Notices.Warn(n.from, "could not tell a peer how taking its snapshot ended", "error", err)
	}
}

// linger keeps what has arrived of a snapshot for a while if the sender or the way to it failed: it may be offered again.
// What this side cannot use or has no room for goes at once.
func (k *Taker) linger(ctx context.Context, n *take, err error) {
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
		k.cfg.Log.Warn("could not remove a part of a snapshot", "error", err)
	}
}
