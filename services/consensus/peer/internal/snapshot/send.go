package snapshot

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

// Sender is the side of snapshots that has them. Each transfer is owned by a goroutine, which waits for its end.
type Sender struct {
	ctx     context.Context
	cfg     Config
	network Network
	member  Member
	source  Source
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
	users       int // under the sender's lock
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

// NewSender makes the sender of what source makes, until ctx ends. source may be nil: nothing is sent then.
func NewSender(ctx context.Context, cfg Config, network Network, member Member, source Source) *Sender {
	s := &Sender{ctx: ctx, cfg: cfg, network: network, member: member, source: source, making: make(chan struct{}, 1)}
	s.pace = newPace(cfg.BytesPerSecond)
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

// Send offers a snapshot to a peer in place of m, a MsgSnap, and returns when it was taken or that has failed, and the
// checkpoint was kept for others long enough. deliver puts the offer on its way; it does not wait.
func (s *Sender) Send(to uint64, m *raftpb.Message, deliver func(offer []byte)) {
	c, err := s.acquire(s.ctx, m.GetSnapshot().GetMetadata().GetIndex())
	if err != nil {
		s.conclude(to, fmt.Errorf("make a checkpoint: %w", err))
		return
	}
	defer s.drop(c)
	tr := &transfer{to: to, checkpoint: c, message: m, touched: make(chan struct{}, 1), ended: make(chan error, 1)}
	if err := s.offerTo(tr, deliver); err != nil {
		s.conclude(to, err)
		return
	}
	err = s.await(tr)
	s.forget(tr)
	if errors.Is(err, errSuperseded) {
		return
	}
	s.conclude(to, err)
	select {
	case <-s.ctx.Done():
	case <-time.After(checkpointIdleMax):
	}
}

// acquire returns the newest checkpoint if it is no older than what raft wants to send, and its receiver will be able to go on from
// the log; it makes one otherwise. An older one may not know the receiver as a member, who would refuse it for ever.
func (s *Sender) acquire(ctx context.Context, least uint64) (*checkpoint, error) {
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
	m, err := listFiles(s.cfg.FS, rand.Text(), dir)
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

func (s *Sender) share(least uint64) *checkpoint {
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
func (s *Sender) drop(c *checkpoint) {
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
func (s *Sender) offerTo(tr *transfer, deliver func(offer []byte)) error {
	message, err := proto.Marshal(tr.message)
	if err != nil {
		return fmt.Errorf("encode MsgSnap: %w", err)
	}
	encoded, err := json.Marshal(offer{
		ID: tr.checkpoint.manifest.ID, Index: tr.checkpoint.index, Term: tr.checkpoint.term, URLs: s.network.AdvertiseURLs(), Message: message,
	})
	if err != nil {
		return fmt.Errorf("encode the offer: %w", err)
	}
	s.finish(tr.to, func(*transfer) bool { return true }, errSuperseded)
	s.mu.Lock()
	s.mu.transfers[tr.to] = tr
	s.mu.Unlock()
	s.cfg.Log.Info("offering a snapshot to a peer", "peer", identity.Format(tr.to), "snapshot", tr.checkpoint.manifest.ID,
		"index", tr.checkpoint.index, "bytes", tr.checkpoint.manifest.size(), "files", len(tr.checkpoint.manifest.Files))
	deliver(encoded)
	return nil
}

// await waits for the peer to install the snapshot as long as it keeps asking.
func (s *Sender) await(tr *transfer) error {
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
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
}

// conclude tells raft how it ended.
func (s *Sender) conclude(to uint64, err error) {
	if s.ctx.Err() != nil {
		return
	}
	if err == nil {
		s.cfg.Metrics.SnapshotsSent.WithLabelValues(identity.Format(to)).Inc()
		s.cfg.Log.Info("a peer has installed a snapshot", "peer", identity.Format(to))
	} else {
		s.cfg.Metrics.SnapshotsFailed.WithLabelValues(identity.Format(to)).Inc()
		s.cfg.Notices.Warn(to, "a peer did not get a snapshot", "error", err)
	}
	s.member.ReportSnapshot(to, err == nil)
}

// finish ends the transfer to a peer if there is one and which says that it is the one meant.
func (s *Sender) finish(to uint64, which func(*transfer) bool, err error) {
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

func (s *Sender) forget(tr *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.transfers[tr.to] == tr {
		delete(s.mu.transfers, tr.to)
	}
}

// Oldest returns the lowest index of the checkpoints that peers are taking.
func (s *Sender) Oldest() (index uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tr := range s.mu.transfers {
		if !ok || tr.checkpoint.index < index {
			index, ok = tr.checkpoint.index, true
		}
	}
	return index, ok
}

// Abandoned says that an offer was not delivered.
func (s *Sender) Abandoned(to uint64, m *raftpb.Message) {
	s.finish(to, func(tr *transfer) bool { return tr.message == m }, errors.New("the offer of the snapshot could not be delivered"))
}
