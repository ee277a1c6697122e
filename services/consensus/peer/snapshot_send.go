package peer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/identity"
)

// sending is the side of snapshots that has them. Each transfer is owned by a goroutine, which waits for its end.
type sending struct {
	t      *Transport
	r      *run
	source SnapshotSource
	// pace is that of all that is sent; what it saves up while nothing is sent is one piece.
	pace *rate.Limiter
	// making has room for the one checkpoint that may be being made.
	making chan struct{}
	mu     struct {
		sync.Mutex
		newest    *checkpoint // nil when its last user is gone
		transfers map[uint64]*transfer
	}
}

// checkpoint is a copy of the state on disk, for all who take it.
type checkpoint struct {
	manifest    manifest
	dir         string
	index, term uint64
	release     func()
	users       int // under sending's lock
}

// transfer is a peer's taking of a checkpoint.
type transfer struct {
	to         uint64
	checkpoint *checkpoint
	message    *raftpb.Message
	touched    chan struct{} // the peer has asked for something
	ended      chan error    // nil when the peer has installed it
}

// errSuperseded ends a transfer in whose place a newer one to the same peer has come. Raft waits for that one.
var errSuperseded = errors.New("a newer snapshot is sent instead")

func newSending(t *Transport, r *run, source SnapshotSource) *sending {
	s := &sending{t: t, r: r, source: source, making: make(chan struct{}, 1)}
	s.pace = newPace(t.cfg.SnapshotBytesPerSecond)
	s.mu.transfers = make(map[uint64]*transfer)
	return s
}

// newPace lets so many bytes of pieces pass in a second, any number below 1.
func newPace(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond < 1 {
		return rate.NewLimiter(rate.Inf, pieceBytes)
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), pieceBytes)
}

// send offers a snapshot to a peer in place of m, a MsgSnap, and returns when it was taken or that has failed, and the
// checkpoint was kept for others long enough.
func (s *sending) send(l *link, m *raftpb.Message) {
	c, err := s.acquire(s.r.ctx, m.GetSnapshot().GetMetadata().GetIndex())
	if err != nil {
		s.conclude(l, fmt.Errorf("make a checkpoint: %w", err))
		return
	}
	defer s.drop(c)
	tr := &transfer{to: l.id, checkpoint: c, message: m, touched: make(chan struct{}, 1), ended: make(chan error, 1)}
	if err := s.offerTo(l, tr); err != nil {
		s.conclude(l, err)
		return
	}
	err = s.await(tr)
	s.forget(tr)
	if errors.Is(err, errSuperseded) {
		return
	}
	s.conclude(l, err)
	select {
	case <-s.r.ctx.Done():
	case <-time.After(checkpointIdleMax):
	}
}

// acquire returns the newest checkpoint if it is no older than what raft wants to send, and its receiver will be able to go on from
// the log; it makes one otherwise. An older one may not know the receiver as a member, who would refuse it for ever.
func (s *sending) acquire(ctx context.Context, least uint64) (*checkpoint, error) {
	if s.source == nil {
		return nil, errors.New("this member has no snapshots to give")
	}
	select {
	case s.making <- struct{}{}:
		defer func() { <-s.making }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if c := s.share(least); c != nil {
		return c, nil
	}
	dir, index, term, release, err := s.source.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	m, err := listFiles(s.t.cfg.FS, rand.Text(), dir)
	if err != nil {
		release()
		return nil, err
	}
	c := &checkpoint{manifest: m, dir: dir, index: index, term: term, release: release, users: 1}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.newest = c
	return c, nil
}

func (s *sending) share(least uint64) *checkpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.mu.newest
	if c == nil || c.index < least || !s.source.Continues(c.index) {
		return nil
	}
	c.users++
	return c
}

// drop gives up a use of c; the last one removes it.
func (s *sending) drop(c *checkpoint) {
	s.mu.Lock()
	c.users--
	last := c.users == 0
	if last && s.mu.newest == c {
		s.mu.newest = nil
	}
	s.mu.Unlock()
	if last {
		c.release()
	}
}

// offerTo tells the peer to come and get it.
func (s *sending) offerTo(l *link, tr *transfer) error {
	message, err := proto.Marshal(tr.message)
	if err != nil {
		return fmt.Errorf("encode MsgSnap: %w", err)
	}
	encoded, err := json.Marshal(offer{
		ID: tr.checkpoint.manifest.ID, Index: tr.checkpoint.index, Term: tr.checkpoint.term, URLs: s.t.cfg.AdvertiseURLs, Message: message,
	})
	if err != nil {
		return fmt.Errorf("encode the offer: %w", err)
	}
	s.finish(tr.to, func(*transfer) bool { return true }, errSuperseded)
	s.mu.Lock()
	s.mu.transfers[tr.to] = tr
	s.mu.Unlock()
	s.t.log.Info("offering a snapshot to a peer", "peer", identity.Format(tr.to), "snapshot", tr.checkpoint.manifest.ID,
		"index", tr.checkpoint.index, "bytes", tr.checkpoint.manifest.size(), "files", len(tr.checkpoint.manifest.Files))
	l.put(item{message: tr.message, offer: encoded})
	l.queue.wake()
	return nil
}

// await waits for the peer to install the snapshot as long as it keeps asking.
func (s *sending) await(tr *transfer) error {
	idle := time.NewTimer(transferIdleMax)
	defer idle.Stop()
	for {
		select {
		case err := <-tr.ended:
			return err
		case <-tr.touched:
			idle.Reset(transferIdleMax)
		case <-idle.C:
			return fmt.Errorf("the peer has asked for nothing for %s", transferIdleMax)
		case <-s.r.ctx.Done():
			return context.Cause(s.r.ctx)
		}
	}
}

// conclude tells raft how it ended.
func (s *sending) conclude(l *link, err error) {
	if s.r.ctx.Err() != nil {
		return
	}
	if err == nil {
		s.t.metrics.SnapshotsSent.WithLabelValues(identity.Format(l.id)).Inc()
		s.t.log.Info("a peer has installed a snapshot", "peer", identity.Format(l.id))
	} else {
		s.t.metrics.SnapshotsFailed.WithLabelValues(identity.Format(l.id)).Inc()
		s.t.notices.Warn(l.id, "a peer did not get a snapshot", "error", err)
	}
	s.r.receiver.ReportSnapshot(l.id, err == nil)
}

// finish ends the transfer to a peer if there is one and which says that it is the one meant.
func (s *sending) finish(to uint64, which func(*transfer) bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tr := s.mu.transfers[to]
	if tr == nil || !which(tr) {
		return
	}
	select {
	case tr.ended <- err:
	default: // it has ended already
	}
}

func (s *sending) forget(tr *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.transfers[tr.to] == tr {
		delete(s.mu.transfers, tr.to)
	}
}

// oldest returns the lowest index of the checkpoints that peers are taking.
func (s *sending) oldest() (index uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tr := range s.mu.transfers {
		if !ok || tr.checkpoint.index < index {
			index, ok = tr.checkpoint.index, true
		}
	}
	return index, ok
}
