package mergedwatch

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/forward"
)

const (
	// askAgain is after how long a progress request is made again: a server that is not up to date with the watch is silent about it.
	askAgain = 100 * time.Millisecond
	// resumeMin and resumeMax are how long to wait until a watch is made anew.
	resumeMin = 20 * time.Millisecond
	resumeMax = time.Second
)

// reasonless is for a watch that the cluster has ended without saying why.
const reasonless = "etcdserver: the cluster has canceled the watch"

// errEnded ends the loop of a watch that is over.
var errEnded = errors.New("the watch is over")

// run has the watch run, for as long as it has watches of clients.
func (g *group) run() {
	g.hub.upstream.Add(1)
	g.hub.running.Go(func() {
		defer g.hub.upstream.Add(-1)
		defer g.hub.forget(g)
		defer g.end()
		pause := resumeMin
		for {
			before := g.next()
			err := g.reach()
			if err == nil {
				err = g.stream()
			}
			if g.life.Err() != nil || errors.Is(err, errEnded) {
				break
			}
			if final := g.final(err); final != nil {
				g.failAll(final)
				return
			}
			g.hub.config.Logger.Debug("a watch of the cluster was lost, and is made anew", "from", g.next(), "error", err)
			if g.next() > before {
				pause = resumeMin
			}
			select {
			case <-time.After(pause/2 + rand.N(pause/2+1)):
			case <-g.life.Done():
			}
			pause = min(2*pause, resumeMax)
		}
		if g.hub.base.Err() != nil {
			g.failAll(errStopped)
		}
	})
}

// reach waits until a member can be reached. Who wants a leader waits for as long as there may be none.
func (g *group) reach() error {
	var loss <-chan time.Time
	if g.wantsLeader {
		timer := time.NewTimer(g.hub.config.LeaderLossTime)
		defer timer.Stop()
		loss = timer.C
	}
	for {
		away, changed := g.hub.config.Away()
		if !away {
			return nil
		}
		select {
		case <-changed:
		case <-loss:
			return rpctypes.ErrGRPCNoLeader
		case <-g.life.Done():
			return g.life.Err()
		}
	}
}

// final is what clients' streams end with where a watch cannot go on, nil where it is made anew. A token that has ended since is its client's to
// renew: its stream ends as if the server stopped, and clients go on where they were.
func (g *group) final(err error) error {
	switch code := status.Code(err); {
	case status.Convert(err).Message() == status.Convert(rpctypes.ErrGRPCNoLeader).Message():
		return rpctypes.ErrGRPCNoLeader
	case code == codes.Unauthenticated && g.begun:
		return errStopped
	case errors.Is(err, io.EOF), code == codes.Unavailable, code == codes.Canceled, code == codes.DeadlineExceeded, code == codes.Internal:
		return nil
	}
	return err
}

// stream has the watch run on one member, until it is lost.
func (g *group) stream() error {
	ctx, cancel := context.WithCancel(forward.OutgoingFor(g.life, g.caller, g.wantsLeader))
	defer cancel()
	stream, err := g.hub.config.Client.Watch(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(g.request()); err != nil {
		_, err = stream.Recv() // which says why
		return err
	}
	asked := make(chan struct{})
	defer func() { <-asked }()
	defer cancel()
	go func() {
		defer close(asked)
		g.ask(ctx, stream.Send)
	}()
	var gathered *etcdserverpb.WatchResponse
	for {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		if gathered != nil {
			gathered.Events = append(gathered.Events, response.GetEvents()...)
			gathered.Fragment, response = response.GetFragment(), gathered
		}
		if response.GetFragment() {
			gathered = response
			continue
		}
		gathered = nil
		if err := g.receive(response); err != nil {
			return err
		}
	}
}

// request is the watch from where it is.
func (g *group) request() *etcdserverpb.WatchRequest {
	var filters []etcdserverpb.WatchCreateRequest_FilterType
	if g.kind.noPut {
		filters = append(filters, etcdserverpb.WatchCreateRequest_NOPUT)
	}
	if g.kind.noDelete {
		filters = append(filters, etcdserverpb.WatchCreateRequest_NODELETE)
	}
	return &etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: &etcdserverpb.WatchCreateRequest{
		Key: []byte(g.kind.key), RangeEnd: []byte(g.kind.end), StartRevision: g.next(), Filters: filters, PrevKv: g.kind.prevKV,
		ProgressNotify: true, Fragment: true,
	}}}
}

// ask sends progress requests for as long as somebody waits, until ctx ends.
func (g *group) ask(ctx context.Context, send func(*etcdserverpb.WatchRequest) error) {
	var again <-chan time.Time
	for {
		select {
		case <-g.asks:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		if !g.waits() {
			continue
		}
		err := send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_ProgressRequest{ProgressRequest: &etcdserverpb.WatchProgressRequest{}}})
		if err != nil {
			return // Recv says why
		}
		again = time.After(askAgain)
	}
}

// receive takes in one answer. It returns errEnded if that was the last.
func (g *group) receive(r *etcdserverpb.WatchResponse) error {
	id := r.GetHeader().GetClusterId()
	switch {
	case g.clusterID != 0 && id != 0 && id != g.clusterID:
		g.endAll(delivery.Delivery{Replaced: true})
		return errEnded
	case r.GetCanceled():
		return g.canceled(r)
	case r.GetCreated():
		g.clusterID, g.begun = id, true
		if !g.shared.Load() {
			g.present = r.GetHeader().GetRevision()
			g.want(max(g.next(), g.present)) // to know when it has caught up
		}
		nudge(g.asks) // what an earlier stream was asked for
		return nil
	case len(r.GetEvents()) > 0:
		if !g.shared.Load() && !g.await() {
			return errEnded
		}
		batch := g.batch(r.GetEvents())
		g.handOut(batch, r.GetHeader().GetRevision(), proto.Size(r))
		g.synced = g.synced || batch.Last() >= g.present
	default:
		g.synced = true // a watch that is not is told nothing but events
		g.progress(r.GetHeader().GetRevision(), r.GetWatchId() >= 0)
	}
	if g.synced && !g.shared.Load() {
		g.hub.rejoin(g)
	}
	return nil
}

// await waits until there is room for the one watch that is told. It returns false if it is over.
func (g *group) await() bool {
	s := g.only()
	if s != nil {
		defer nudge(s.session.room) // others may wait for room in the same session
	}
	for s != nil && s.session.full() {
		select {
		case <-s.session.room:
		case <-s.session.done:
			return false
		case <-g.life.Done():
			return false
		}
	}
	return true
}

// canceled ends the watches as the cluster has.
func (g *group) canceled(r *etcdserverpb.WatchResponse) error {
	reason := r.GetCancelReason()
	switch {
	case r.GetCompactRevision() > 0:
		g.endAll(delivery.Delivery{CompactedRevision: r.GetCompactRevision()})
	case g.begun && (strings.Contains(reason, rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidAuthToken)) || strings.Contains(reason, rpctypes.ErrorDesc(rpctypes.ErrGRPCAuthOldRevision))):
		g.failAll(errStopped)
	default:
		g.endAll(delivery.Delivery{Refused: cmp.Or(reason, reasonless)})
	}
	return errEnded
}

// batch is events as sessions have them.
func (g *group) batch(events []*mvccpb.Event) *delivery.Batch {
	n := g.hub.config.Namespace
	slab := make([]consensusv1.Event, len(events))
	converted := make([]*consensusv1.Event, len(events))
	for i, event := range events {
		if n != "" {
			event.Kv.Key = n.Strip(event.GetKv().GetKey())
			if event.GetPrevKv() != nil {
				event.PrevKv.Key = n.Strip(event.GetPrevKv().GetKey())
			}
		}
		slab[i].Type = consensusv1.Event_Type(event.GetType())
		slab[i].Kv, slab[i].PrevKv = event.GetKv(), event.GetPrevKv()
		converted[i] = &slab[i]
	}
	return delivery.NewBatch(converted)
}
