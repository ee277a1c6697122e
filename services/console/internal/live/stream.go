package live

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

const (
	// watchesMax and leasesMax bound what one stream may have.
	watchesMax, leasesMax = 16, 32
	// aliveAfter is after how long without news the page is told that there are none.
	aliveAfter = 10 * time.Second
	// lookEvery is how often leases and the cluster are looked at.
	lookEvery = 2 * time.Second
	// leaseDrift is how far the time left of a lease may be from what counting down gives.
	leaseDrift = 2
)

// nothing says that the stream is there.
var nothing = &consolev1.LiveResponse{News: &consolev1.LiveResponse_Alive{Alive: &consolev1.LiveAlive{}}}

// Sources are what is told of. Their methods are called with the stream's context, and so for its caller.
type Sources struct {
	// Conn is for watches.
	Conn grpc.ClientConnInterface
	// Series returns points after a time, and what is closed when there is another.
	Series func(after int64, names []string) (*consolev1.SeriesResponse, <-chan struct{})
	// Lease tells how a lease is.
	Lease func(ctx context.Context, id int64) (*consolev1.Lease, error)
	// Cluster tells of the members.
	Cluster func(context.Context) (*consolev1.ClusterResponse, error)
}

// Streams serves streams. It may be used concurrently.
type Streams struct {
	sources Sources
	watch   etcdserverpb.WatchClient
}

// New returns a server of streams.
func New(sources Sources) *Streams {
	return &Streams{sources: sources, watch: etcdserverpb.NewWatchClient(sources.Conn)}
}

// stream is one page's.
type stream struct {
	*Streams
	news chan *consolev1.LiveResponse
}

// tell waits until the page takes it.
func (s *stream) tell(ctx context.Context, news *consolev1.LiveResponse) error {
	select {
	case s.news <- news:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Serve tells by send of what was subscribed to, until ctx ends or something cannot go on.
func (s *Streams) Serve(ctx context.Context, r *consolev1.LiveRequest, send func(*consolev1.LiveResponse) error) error {
	if len(r.GetWatches()) > watchesMax || len(r.GetLeases()) > leasesMax {
		return status.Errorf(codes.InvalidArgument, "quorate: %d watches and %d leases, a stream may have %d and %d", len(r.GetWatches()), len(r.GetLeases()), watchesMax, leasesMax)
	}
	if len(r.GetWatches())+len(r.GetLeases()) == 0 && !r.GetSeries() && !r.GetCluster() {
		if err := send(nothing); err != nil { // the page wants to know whether it is connected, and nothing else would tell
			return err
		}
	}
	one := &stream{Streams: s, news: make(chan *consolev1.LiveResponse)}
	group, ctx := errgroup.WithContext(ctx)
	for _, w := range r.GetWatches() {
		group.Go(func() error { return one.runWatch(ctx, w) })
	}
	if r.GetSeries() {
		group.Go(func() error { return one.runSeries(ctx, r.GetSeriesAfterUnixMilli(), r.GetSeriesNames()) })
	}
	if len(r.GetLeases()) > 0 {
		group.Go(func() error { return one.runLeases(ctx, r.GetLeases()) })
	}
	if r.GetCluster() {
		group.Go(func() error { return one.runCluster(ctx) })
	}
	group.Go(func() error { return one.send(ctx, send) })
	return group.Wait()
}

// send sends news until ctx ends or the page takes no more.
func (s *stream) send(ctx context.Context, send func(*consolev1.LiveResponse) error) error {
	alive := time.NewTicker(aliveAfter)
	defer alive.Stop()
	for {
		var news *consolev1.LiveResponse
		select {
		case news = <-s.news:
		case <-alive.C:
			news = nothing
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := send(news); err != nil {
			return err
		}
		alive.Reset(aliveAfter)
	}
}

func (s *stream) runSeries(ctx context.Context, after int64, names []string) error {
	for {
		found, changed := s.sources.Series(after, names)
		if n := len(found.GetTimesUnixMilli()); n > 0 {
			after = found.GetTimesUnixMilli()[n-1]
			if err := s.tell(ctx, &consolev1.LiveResponse{News: &consolev1.LiveResponse_Series{Series: found}}); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// every has look called at once and every lookEvery until it fails or ctx ends.
func every(ctx context.Context, look func() error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := look(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *stream) runCluster(ctx context.Context) error {
	var told *consolev1.ClusterResponse
	return every(ctx, func() error {
		found, err := s.sources.Cluster(ctx)
		if err != nil || proto.Equal(found, told) {
			return err
		}
		told = found
		return s.tell(ctx, &consolev1.LiveResponse{News: &consolev1.LiveResponse_Cluster{Cluster: found}})
	})
}

// toldLease is a lease as the page knows it.
type toldLease struct {
	lease *consolev1.Lease
	at    time.Time
}

// expected tells whether a lease is as the page would count it down.
func (t toldLease) expected(now *consolev1.Lease, at time.Time) bool {
	if t.lease == nil || t.lease.GetKeysTotal() != now.GetKeysTotal() || (t.lease.GetTtl() < 0) != (now.GetTtl() < 0) {
		return false
	}
	left := t.lease.GetTtl() - int64(at.Sub(t.at).Seconds())
	return now.GetTtl() < 0 || max(left-now.GetTtl(), now.GetTtl()-left) <= leaseDrift
}

func (s *stream) runLeases(ctx context.Context, ids []int64) error {
	told := map[int64]toldLease{}
	return every(ctx, func() error {
		var changed []*consolev1.Lease
		for _, id := range ids {
			found, err := s.sources.Lease(ctx, id)
			if err != nil {
				return err
			}
			if now := time.Now(); !told[id].expected(found, now) {
				told[id] = toldLease{found, now}
				changed = append(changed, found)
			}
		}
		if len(changed) == 0 {
			return nil
		}
		return s.tell(ctx, &consolev1.LiveResponse{News: &consolev1.LiveResponse_Leases{Leases: &consolev1.LiveLeases{Leases: changed}}})
	})
}
