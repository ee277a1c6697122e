package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/admission"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/dial"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/inbound"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/metrics"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/notices"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/outbound"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/snapshot"
)

// Transport carries what members of a cluster say to each other. New starts nothing, Run makes it work; its other
// methods may be called concurrently from New on, by anyone, and none of them waits for the network.
type Transport struct {
	cfg     Config
	log     *slog.Logger
	notices *notices.Notices
	metrics *metrics.Metrics
	mux     *http.ServeMux
	// requests makes all requests but the streams of messages, and those of streams, which belong to others.
	requests, streams *http.Transport
	dial              *dial.Dialer
	// flush is how long a stopping sender tries to get rid of what is queued: flushMax.
	flush time.Duration

	// links are the peers, by id. The map is replaced, never changed, so that Send takes no lock.
	links atomic.Pointer[map[uint64]*outbound.Link]

	mu struct {
		sync.Mutex
		known   *admission.Register
		inbound map[uint64]*inbound.Stream // the newest stream of each peer
		running *run
		ran     bool
	}
}

// run is what exists while Run does.
type run struct {
	ctx      context.Context
	receiver Receiver
	cluster  uint64
	self     uint64
	// incarnation is of this member's data.
	incarnation uint64
	sender      *snapshot.Sender
	taker       *snapshot.Taker
	// working counts the goroutines of links and the requests that are being served.
	working sync.WaitGroup
}

// New checks the configuration. It opens nothing.
func New(cfg Config) (*Transport, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration of the members' transport: %w", err)
	}
	t := &Transport{cfg: cfg, log: cfg.Logger, notices: notices.New(cfg.Logger), metrics: metrics.New(), flush: flushMax}
	t.dial = dial.New(cfg.TLS, cfg.LocalAddress)
	t.requests, t.streams = dial.HTTPTransport(t.dial), dial.StreamTransport(t.dial, cfg.silence())
	t.links.Store(&map[uint64]*outbound.Link{})
	t.mu.known = admission.NewRegister()
	t.mu.inbound = make(map[uint64]*inbound.Stream)
	t.mux = t.routes()
	return t, nil
}

// Run talks to the peers for receiver until ctx ends. source may be nil: members that are far behind get no snapshot
// from this one then. When Run returns, receiver is not called any more. It can run once.
//
// It stops in this order: requests of others are refused and their streams end, so that nothing comes in; what is
// queued for the peers goes out, for a short time; the streams close.
func (t *Transport) Run(ctx context.Context, receiver Receiver, source SnapshotSource) error {
	r := &run{ctx: ctx, receiver: receiver, cluster: receiver.ClusterID(), self: receiver.MemberID(), incarnation: receiver.Incarnation()}
	snapshots := snapshot.Config{
		FS: t.cfg.FS, Dir: t.cfg.SnapshotDir, BytesPerSecond: t.cfg.SnapshotBytesPerSecond, Log: t.log, Notices: t.notices, Metrics: t.metrics,
	}
	r.sender = snapshot.NewSender(ctx, snapshots, network{t}, receiver, source)
	r.taker = snapshot.NewTaker(ctx, snapshots, network{t}, receiver, &r.working)
	if err := r.taker.RemoveLeftovers(); err != nil {
		return err
	}
	if err := t.begin(r); err != nil {
		return err
	}
	defer t.metrics.Unregister(t.cfg.Registerer)

	<-ctx.Done()
	t.mu.Lock()
	t.mu.running = nil
	t.mu.Unlock()
	r.working.Done()
	r.working.Wait()
	t.requests.CloseIdleConnections()
	t.streams.CloseIdleConnections()
	return r.taker.Close()
}

// begin lets requests in and starts the links.
func (t *Transport) begin(r *run) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.ran {
		return errors.New("a transport runs once")
	}
	if err := t.metrics.Register(t.cfg.Registerer); err != nil {
		return err
	}
	t.mu.ran, t.mu.running = true, r
	r.working.Add(1) // so that the count is not zero before the end
	for _, l := range *t.links.Load() {
		l.Start(r.ctx, r.self, &r.working)
	}
	return nil
}

// enter returns the run that a request is served by, which lasts until leave is called.
func (t *Transport) enter() (r *run, leave func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.running == nil {
		return nil, nil, false
	}
	r = t.mu.running
	r.working.Add(1)
	return r, r.working.Done, true
}

// Send queues messages for the members they are to. It never waits: what has no room, or no known receiver, is dropped
// and counted, and raft is told when appends are among it. The messages are read until they are written, and must not
// be changed.
func (t *Transport) Send(messages []*raftpb.Message) {
	links := *t.links.Load()
	for _, m := range messages {
		l := links[m.GetTo()]
		switch {
		case l == nil:
			t.dropUnaddressed(m)
		case m.GetType() == raftpb.MsgSnap:
			t.sendSnapshot(l, m)
		default:
			l.Put(m)
		}
	}
	for _, m := range messages {
		if l := links[m.GetTo()]; l != nil {
			l.Wake()
		}
	}
}

// sendSnapshot has an offer made of a MsgSnap.
func (t *Transport) sendSnapshot(l *outbound.Link, m *raftpb.Message) {
	r, leave, ok := t.enter()
	if !ok {
		return
	}
	go func() {
		defer leave()
		r.sender.Send(m.GetTo(), m, func(offer []byte) {
			l.PutOffer(m, offer)
			l.Wake()
		})
	}()
}

// dropUnaddressed drops a message to a member that nobody has introduced. Raft sends nothing else to a member that it
// sent a snapshot until it hears how that went.
func (t *Transport) dropUnaddressed(m *raftpb.Message) {
	t.metrics.Dropped.WithLabelValues(identity.Format(m.GetTo())).Inc()
	if m.GetType() != raftpb.MsgSnap {
		return
	}
	if r, leave, ok := t.enter(); ok {
		defer leave()
		r.receiver.ReportSnapshot(m.GetTo(), false)
	}
}

// SetPeers says who the members are. It adds, updates and removes peers; the member itself may be among them. Whoever
// was a member before and is none now has been removed, and is refused from now on: its stream ends, so that it learns of
// that when it makes the next.
func (t *Transport) SetPeers(members []*consensusv1.Member) {
	defer t.stopRemoved()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.known.Set(members)
	links := maps.Clone(*t.links.Load())
	for id := range links {
		if !t.mu.known.IsMember(id) && !t.mu.known.IsGuest(id) {
			unlink(links, id)
		}
	}
	for _, m := range members {
		t.linkLocked(links, m.GetId(), m.GetPeerUrls())
	}
	t.links.Store(&links)
}

// SetRemoved says which members were removed from the cluster, of those that SetPeers did not see go. They are refused.
func (t *Transport) SetRemoved(ids []uint64) {
	defer t.stopRemoved()
	t.mu.Lock()
	defer t.mu.Unlock()
	links := maps.Clone(*t.links.Load())
	for _, id := range t.mu.known.Remove(ids) {
		unlink(links, id)
	}
	t.links.Store(&links)
}

// stopRemoved ends the streams of members that were removed, or that turn out to have lost their data.
func (t *Transport) stopRemoved() {
	var removed []*inbound.Stream
	t.mu.Lock()
	for id, in := range t.mu.inbound {
		if t.mu.known.Unwelcome(id, in.Incarnation) {
			removed = append(removed, in)
		}
	}
	t.mu.Unlock()
	for _, in := range removed {
		in.Stop()
	}
}

// linkLocked adds a peer to links, or updates its URLs.
func (t *Transport) linkLocked(links map[uint64]*outbound.Link, id uint64, urls []string) {
	if l := links[id]; l != nil {
		l.SetURLs(urls)
		return
	}
	l := outbound.New(t.linkConfig(), id, urls)
	links[id] = l
	if t.mu.running != nil {
		r := t.mu.running
		l.Start(r.ctx, r.self, &r.working)
	}
}

func unlink(links map[uint64]*outbound.Link, id uint64) {
	if l := links[id]; l != nil {
		l.Stop()
		delete(links, id)
	}
}

// welcomeGuest makes it possible to answer a member that this one has not heard of: a member that was cut off learns of
// new ones only by the appends that it must answer. It is a guest until it is a member, or until its stream ends.
func (t *Transport) welcomeGuest(id uint64, urls []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	links := *t.links.Load()
	if len(urls) == 0 || links[id] != nil && !t.mu.known.IsGuest(id) || !t.mu.known.Receive(id) {
		return
	}
	links = maps.Clone(links)
	t.linkLocked(links, id, urls)
	t.links.Store(&links)
}

func (t *Transport) dismissGuest(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.mu.known.Dismiss(id) {
		return
	}
	links := maps.Clone(*t.links.Load())
	unlink(links, id)
	t.links.Store(&links)
}

// AwaitPeers waits until this member has tried to reach each peer, however that went, or until ctx ends. A member that
// serves only then has a stream to all peers that were there before it.
func (t *Transport) AwaitPeers(ctx context.Context) {
	for _, l := range *t.links.Load() {
		select {
		case <-l.Tried():
		case <-ctx.Done():
			return
		}
	}
}

// inboundSince returns since when there has been a stream from a peer; false when there is none.
func (t *Transport) inboundSince(id uint64) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if in := t.mu.inbound[id]; in != nil {
		return in.Since, true
	}
	return time.Time{}, false
}

// ActiveSince returns since when this member and a peer have been reaching each other without interruption; false when
// there is no stream to it. As with etcd it begins with the first stream of either direction.
func (t *Transport) ActiveSince(id uint64) (time.Time, bool) {
	l := (*t.links.Load())[id]
	if l == nil {
		return time.Time{}, false
	}
	return l.ActiveSince()
}

// OldestTransfer returns the lowest index of the snapshots that peers are taking from this member; false when there is
// none. If the log keeps what follows it, those peers can go on from there.
func (t *Transport) OldestTransfer() (index uint64, ok bool) {
	r, leave, ok := t.enter()
	if !ok {
		return 0, false
	}
	defer leave()
	return r.sender.Oldest()
}

// RTT returns how long the last sign of life of a peer took, with what was queued before it; false when there is none.
func (t *Transport) RTT(id uint64) (time.Duration, bool) {
	l := (*t.links.Load())[id]
	if l == nil {
		return 0, false
	}
	return l.RTT()
}
