package v3_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/api/internal/v3"
)

// watching is a client's watch stream and the session behind it.
type watching struct {
	t        *testing.T
	services *v3.Services
	stream   etcdserverpb.Watch_WatchClient
	session  *fakeSession
	cancel   context.CancelFunc
}

// startWatching opens a stream to services over a fake session.
func startWatching(t *testing.T, consensus *fakeConsensus, change func(*v3.Config)) *watching {
	t.Helper()
	session := newFakeSession()
	sessions := make(chan *fakeSession, 1)
	sessions <- session
	services := newServices(t, consensus, func(c *v3.Config) {
		c.Watch = &fakeWatch{sessions: sessions}
		if change != nil {
			change(c)
		}
	})
	conn := dial(t, services)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	stream, err := etcdserverpb.NewWatchClient(conn).Watch(ctx)
	require.NoError(t, err)
	return &watching{t: t, services: services, stream: stream, session: session, cancel: cancel}
}

func encoded(c *v3.Config) { c.EncodedWatch = true }

func (w *watching) create(r *etcdserverpb.WatchCreateRequest) {
	w.t.Helper()
	require.NoError(w.t, w.stream.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: r}}))
}

func (w *watching) cancelWatch(id int64) {
	w.t.Helper()
	require.NoError(w.t, w.stream.Send(&etcdserverpb.WatchRequest{
		RequestUnion: &etcdserverpb.WatchRequest_CancelRequest{CancelRequest: &etcdserverpb.WatchCancelRequest{WatchId: id}},
	}))
}

func (w *watching) askProgress() {
	w.t.Helper()
	require.NoError(w.t, w.stream.Send(&etcdserverpb.WatchRequest{
		RequestUnion: &etcdserverpb.WatchRequest_ProgressRequest{ProgressRequest: &etcdserverpb.WatchProgressRequest{}},
	}))
}

func (w *watching) expect(want *etcdserverpb.WatchResponse) {
	w.t.Helper()
	got, err := w.stream.Recv()
	require.NoError(w.t, err)
	equal(w.t, want, got)
}

// created creates a watch, takes the answer and returns the session's side of the watch.
func (w *watching) created(r *etcdserverpb.WatchCreateRequest, id int64) *watchv1.Watch {
	w.t.Helper()
	w.create(r)
	w.expect(&etcdserverpb.WatchResponse{Header: header(revision), WatchId: id, Created: true})
	return <-w.session.added
}

// putOf makes a batch of one put for each revision.
func putOf(revisions ...int64) *delivery.Batch {
	var events []*consensusv1.Event
	for _, revision := range revisions {
		events = append(events, &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: revision}})
	}
	return delivery.NewBatch(events)
}

func putsOf(revisions ...int64) []*mvccpb.Event {
	var events []*mvccpb.Event
	for _, revision := range revisions {
		events = append(events, &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: revision}})
	}
	return events
}

// TestWatchTellsTheSession checks what the watch service is asked for, for the plainest request and for one with
// everything.
func TestWatchTellsTheSession(t *testing.T) {
	w := startWatching(t, &fakeConsensus{}, nil)
	equal(t, &watchv1.Watch{Id: 1, Key: []byte{0}, StartRevision: revision + 1}, w.created(&etcdserverpb.WatchCreateRequest{}, 0))
	equal(t, &watchv1.Watch{
		Id: 2, Key: []byte("a"), RangeEnd: []byte{0}, StartRevision: 7,
		NoPut: true, NoDelete: true, PrevKv: true, ProgressNotify: true,
	}, w.created(&etcdserverpb.WatchCreateRequest{
		Key: []byte("a"), RangeEnd: []byte{0}, StartRevision: 7, PrevKv: true, ProgressNotify: true, Fragment: true, WatchId: 9,
		Filters: []etcdserverpb.WatchCreateRequest_FilterType{etcdserverpb.WatchCreateRequest_NODELETE, etcdserverpb.WatchCreateRequest_NOPUT, 77},
	}, 9))
}

// TestWatchIDs walks through who gets which id on one stream: the server's count from 0 and step over the client's.
func TestWatchIDs(t *testing.T) {
	w := startWatching(t, &fakeConsensus{}, nil)
	duplicate := &etcdserverpb.WatchResponse{
		Header: header(revision), WatchId: -1, Created: true, Canceled: true,
		CancelReason: "mvcc: duplicate watch ID provided on the WatchStream",
	}
	any := func(id int64) *etcdserverpb.WatchCreateRequest {
		return &etcdserverpb.WatchCreateRequest{Key: []byte("k"), WatchId: id}
	}
	w.created(any(0), 0)
	w.created(any(1), 1)
	w.created(any(0), 2)
	w.create(any(1))
	w.expect(duplicate)
	w.create(any(2))
	w.expect(duplicate)
	w.cancelWatch(1)
	w.expect(&etcdserverpb.WatchResponse{Header: header(revision), WatchId: 1, Canceled: true})
	require.Equal(t, int64(2), <-w.session.removed)
	require.Equal(t, int64(4), w.created(any(1), 1).GetId(), "the session must not see an id twice")
	w.created(any(-5), -5)
}

// TestWatchRefusals checks etcd's words for watches that cannot be, and that the stream goes on.
func TestWatchRefusals(t *testing.T) {
	cases := []struct {
		name    string
		request *etcdserverpb.WatchCreateRequest
		reason  string
	}{
		{"start below zero", &etcdserverpb.WatchCreateRequest{Key: []byte("k"), StartRevision: -1}, "etcdserver: mvcc: required revision has been compacted"},
		{"end before key", &etcdserverpb.WatchCreateRequest{Key: []byte("b"), RangeEnd: []byte("a")}, "mvcc: watcher range is empty"},
		{"end at key", &etcdserverpb.WatchCreateRequest{Key: []byte("b"), RangeEnd: []byte("b")}, "mvcc: watcher range is empty"},
	}
	w := startWatching(t, &fakeConsensus{}, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w.create(c.request)
			w.expect(&etcdserverpb.WatchResponse{
				Header: header(revision), WatchId: -1, Created: true, Canceled: true, CancelReason: c.reason,
			})
		})
	}
	w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 0)
	require.Empty(t, w.session.added, "a refused watch reached the session")
}

// TestWatchThatTheSessionRefuses checks that the client hears of the end of a watch that it was told is created.
func TestWatchThatTheSessionRefuses(t *testing.T) {
	w := startWatching(t, &fakeConsensus{}, nil)
	w.session.onAdd = func(*watchv1.Watch) error { return fmt.Errorf("add: %w", errdefs.ErrTooManyRequests) }
	w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), WatchId: 5}, 5)
	w.expect(&etcdserverpb.WatchResponse{
		Header: header(revision), WatchId: 5, Canceled: true, CancelReason: "etcdserver: too many requests",
	})
}

// TestShownRevisionsAreTold tells, before a client is shown it, of the revision of events, in both ways in which they go out, and of a lease's
// end: what is read of another service afterwards is to be no older.
func TestShownRevisionsAreTold(t *testing.T) {
	for name, way := range map[string]func(*v3.Config){"encoded": encoded, "messages": func(*v3.Config) {}} {
		t.Run(name, func(t *testing.T) {
			var shown atomic.Int64
			w := startWatching(t, &fakeConsensus{}, func(c *v3.Config) {
				way(c)
				c.Shown = shown.Store
				c.Lease = &fakeLease{revoke: func(*leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
					return &leasev1.RevokeResponse{Revision: 60, RaftTerm: raftTerm}, nil
				}}
			})
			added := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 0)
			w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Batch: putOf(50), Revision: 50}
			w.expect(&etcdserverpb.WatchResponse{Header: header(50), Events: putsOf(50)})
			require.EqualValues(t, 50, shown.Load())
			_, err := w.services.Lease.LeaseRevoke(t.Context(), &etcdserverpb.LeaseRevokeRequest{ID: 7})
			require.NoError(t, err)
			require.EqualValues(t, 60, shown.Load())
		})
	}
}

// TestHeadersNameTheNearestMember moves on whose status a node apart tells: what answers say of who they are from goes along, also on a stream that
// is open (etcd's TestAuthMemberRemove asks each endpoint for a key to learn whose it is).
func TestHeadersNameTheNearestMember(t *testing.T) {
	for name, way := range map[string]func(*v3.Config){"encoded": encoded, "messages": func(*v3.Config) {}} {
		t.Run(name, func(t *testing.T) {
			var nearest atomic.Uint64
			w := startWatching(t, &fakeConsensus{}, func(c *v3.Config) {
				way(c)
				c.Nearest = nearest.Load
				c.Lease = &fakeLease{revoke: func(*leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
					return &leasev1.RevokeResponse{Revision: 60, RaftTerm: raftTerm}, nil
				}}
			})
			added := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 0) // as the store says where nobody is near
			for _, id := range []uint64{31, 32} {
				nearest.Store(id)
				want := header(50)
				want.MemberId = id
				w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Batch: putOf(50), Revision: 50}
				w.expect(&etcdserverpb.WatchResponse{Header: want, Events: putsOf(50)})
				revoked, err := w.services.Lease.LeaseRevoke(t.Context(), &etcdserverpb.LeaseRevokeRequest{ID: 7})
				require.NoError(t, err)
				require.Equal(t, id, revoked.GetHeader().GetMemberId())
			}
		})
	}
}

// TestWatchCreatedPrecedesEvents lets the session deliver before it even returns from Add, many times.
func TestWatchCreatedPrecedesEvents(t *testing.T) {
	w := startWatching(t, &fakeConsensus{}, encoded)
	w.session.onAdd = func(added *watchv1.Watch) error {
		w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Batch: putOf(50), Revision: 50}
		return nil
	}
	for id := range int64(50) {
		w.create(&etcdserverpb.WatchCreateRequest{Key: []byte("k")})
		w.expect(&etcdserverpb.WatchResponse{Header: header(revision), WatchId: id, Created: true})
		w.expect(&etcdserverpb.WatchResponse{Header: header(50), WatchId: id, Events: putsOf(50)})
		<-w.session.added
	}
}

// TestWatchEventsArriveWhole delivers events with every field, encoded for all and converted for one.
func TestWatchEventsArriveWhole(t *testing.T) {
	kv := &mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 1, ModRevision: 2, Version: 3, Value: []byte("v"), Lease: 4}
	batch := delivery.NewBatch([]*consensusv1.Event{
		{Type: consensusv1.Event_PUT, Kv: kv, PrevKv: kv},
		{Type: consensusv1.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: 9}},
	})
	want := &mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 1, ModRevision: 2, Version: 3, Value: []byte("v"), Lease: 4}
	for name, change := range map[string]func(*v3.Config){"encoded": encoded, "converted": nil} {
		t.Run(name, func(t *testing.T) {
			w := startWatching(t, &fakeConsensus{}, change)
			for id := range int64(2) {
				added := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, id)
				w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Batch: batch, Revision: 60}
				w.expect(&etcdserverpb.WatchResponse{Header: header(60), WatchId: id, Events: []*mvccpb.Event{
					{Type: mvccpb.Event_PUT, Kv: want, PrevKv: want},
					{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: 9}},
				}})
			}
		})
	}
}

// TestWatchFragments delivers more than fits a message to a watch that wants fragments and to one that does not, and
// checks that every fragment is as large as it may be.
func TestWatchFragments(t *testing.T) {
	const requestMax = 1000
	const limit = requestMax + 512<<10
	var events []*consensusv1.Event
	var want []*mvccpb.Event
	for i, size := range []int{200 << 10, 200 << 10, 200 << 10, 1, 600 << 10, 1, 1} {
		kv := &mvccpb.KeyValue{Key: []byte{byte(i)}, Value: make([]byte, size)}
		events = append(events, &consensusv1.Event{Kv: kv})
		want = append(want, &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: kv.GetKey(), Value: kv.GetValue()}})
	}
	batch := delivery.NewBatch(events)
	for name, change := range map[string]func(*v3.Config){"encoded": encoded, "converted": func(*v3.Config) {}} {
		t.Run(name, func(t *testing.T) {
			w := startWatching(t, &fakeConsensus{}, func(c *v3.Config) { change(c); c.MaxRequestBytes = requestMax })
			added := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), Fragment: true}, 0)
			w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Batch: batch, Revision: 60}
			var counts []int
			all := &etcdserverpb.WatchResponse{Header: header(60)}
			for {
				fragment, err := w.stream.Recv()
				require.NoError(t, err)
				equal(t, header(60), fragment.GetHeader())
				next := len(all.GetEvents()) + len(fragment.GetEvents())
				require.True(t, proto.Size(fragment) < limit || len(fragment.GetEvents()) == 1)
				counts = append(counts, len(fragment.GetEvents()))
				all.Events = append(all.Events, fragment.GetEvents()...)
				if !fragment.GetFragment() {
					break
				}
				fragment.Events = append(fragment.Events, want[next])
				require.GreaterOrEqual(t, proto.Size(fragment), limit, "the next event would have fitted")
			}
			equal(t, &etcdserverpb.WatchResponse{Header: header(60), Events: want}, all)
			require.Equal(t, []int{2, 2, 1, 2}, counts)

			small := &delivery.Delivery{ID: added.GetId(), Batch: putOf(61, 62), Revision: 62}
			w.session.deliveries <- small
			w.expect(&etcdserverpb.WatchResponse{Header: header(62), Events: putsOf(61, 62)})

			whole := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 1)
			w.session.deliveries <- &delivery.Delivery{ID: whole.GetId(), Batch: batch, Revision: 60}
			w.expect(&etcdserverpb.WatchResponse{Header: header(60), WatchId: 1, Events: want})
		})
	}
}

// TestWatchCancelEndsEvents delivers to a watch that was cancelled and whose id has a new owner: nobody gets it.
func TestWatchCancelEndsEvents(t *testing.T) {
	w := startWatching(t, &fakeConsensus{}, nil)
	old := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), WatchId: 3}, 3)
	w.cancelWatch(77) // unknown: no answer
	w.cancelWatch(3)
	w.expect(&etcdserverpb.WatchResponse{Header: header(revision), WatchId: 3, Canceled: true})
	next := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), WatchId: 3}, 3)
	w.session.deliveries <- &delivery.Delivery{ID: old.GetId(), Batch: putOf(50), Revision: 50}
	w.session.deliveries <- &delivery.Delivery{ID: next.GetId(), Batch: putOf(51), Revision: 51}
	w.expect(&etcdserverpb.WatchResponse{Header: header(51), WatchId: 3, Events: putsOf(51)})
}

// TestWatchCompacted checks the end of a watch whose revisions are gone, and that its id is free again.
func TestWatchCompacted(t *testing.T) {
	w := startWatching(t, &fakeConsensus{}, nil)
	added := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), WatchId: 3, StartRevision: 2}, 3)
	w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Revision: 1, CompactedRevision: 10}
	w.expect(&etcdserverpb.WatchResponse{Header: header(0), WatchId: 3, Canceled: true, CompactRevision: 10})
	w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Batch: putOf(50), Revision: 50}
	w.cancelWatch(3) // the client's cancel may have crossed the end: no second answer
	w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), WatchId: 3}, 3)
}

// TestWatchOfAReplacedStore checks that a watch whose store is gone is canceled with a reason, and not merely interrupted: client
// libraries would go on from the next revision.
func TestWatchOfAReplacedStore(t *testing.T) {
	w := startWatching(t, &fakeConsensus{}, nil)
	added := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), WatchId: 3}, 3)
	w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Replaced: true}
	w.expect(&etcdserverpb.WatchResponse{Header: header(0), WatchId: 3, Canceled: true, CancelReason: "etcdserver: the store was replaced or restored from an earlier state"})
	w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), WatchId: 3}, 3)
}

// TestWatchProgress asks for progress on a stream without watches, with one that may be told, and with one that starts
// in the future.
func TestWatchProgress(t *testing.T) {
	consensus := &fakeConsensus{readIndex: func(context.Context) (*consensusv1.ReadIndexResponse, error) {
		return &consensusv1.ReadIndexResponse{Revision: 55}, nil
	}}
	w := startWatching(t, consensus, nil)
	w.askProgress() // nobody is told anything
	first := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 0)
	require.Empty(t, w.session.progress)

	w.askProgress()
	require.Equal(t, int64(55), <-w.session.progress, "older than what was committed when the client asked")
	w.session.deliveries <- &delivery.Delivery{All: true, Revision: 56}
	w.expect(&etcdserverpb.WatchResponse{Header: header(56), WatchId: -1})

	// A watch's own progress, at the revision before its start too if that was left to the server.
	w.session.deliveries <- &delivery.Delivery{ID: first.GetId(), Revision: revision}
	w.expect(&etcdserverpb.WatchResponse{Header: header(revision)})

	future := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k"), StartRevision: 100}, 1)
	w.session.deliveries <- &delivery.Delivery{All: true, Revision: 99}
	w.session.deliveries <- &delivery.Delivery{ID: future.GetId(), Revision: 99}
	w.session.deliveries <- &delivery.Delivery{All: true, Revision: 100}
	w.expect(&etcdserverpb.WatchResponse{Header: header(100), WatchId: -1})
}

// TestWatchProgressWithoutLeader checks that the member's own position serves where nobody confirms a newer one.
func TestWatchProgressWithoutLeader(t *testing.T) {
	consensus := &fakeConsensus{readIndex: func(context.Context) (*consensusv1.ReadIndexResponse, error) {
		return nil, errdefs.ErrNoLeader
	}}
	w := startWatching(t, consensus, nil)
	w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 0)
	w.askProgress()
	require.Equal(t, int64(revision), <-w.session.progress)
}

// TestWatchGoesOnAfterHalfClose closes the client's side of the stream and still receives.
func TestWatchGoesOnAfterHalfClose(t *testing.T) {
	w := startWatching(t, &fakeConsensus{}, nil)
	added := w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 0)
	require.NoError(t, w.stream.CloseSend())
	w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Batch: putOf(50), Revision: 50}
	w.expect(&etcdserverpb.WatchResponse{Header: header(50), Events: putsOf(50)})
}

// TestWatchEnds ends the stream from the client's side, the watch service's, and for want of a position.
func TestWatchEnds(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		w := startWatching(t, &fakeConsensus{}, nil)
		w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 0)
		w.cancel()
		<-w.session.closed
	})
	t.Run("service", func(t *testing.T) {
		w := startWatching(t, &fakeConsensus{}, nil)
		w.created(&etcdserverpb.WatchCreateRequest{Key: []byte("k")}, 0)
		w.session.Close()
		_, err := w.stream.Recv()
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.Equal(t, "etcdserver: server stopped", status.Convert(err).Message())
	})
	t.Run("service, when a watch is added", func(t *testing.T) {
		w := startWatching(t, &fakeConsensus{}, nil)
		w.session.onAdd = func(*watchv1.Watch) error { return errdefs.ErrStopped }
		w.create(&etcdserverpb.WatchCreateRequest{Key: []byte("k")})
		_, err := w.stream.Recv()
		if err == nil { // the created answer was faster
			_, err = w.stream.Recv()
		}
		require.Equal(t, codes.Unavailable, status.Code(err))
	})
	t.Run("store", func(t *testing.T) {
		w := startWatching(t, &fakeConsensus{position: func(context.Context) (*consensusv1.PositionResponse, error) {
			return nil, errors.New("no idea")
		}}, nil)
		_, err := w.stream.Recv()
		require.Equal(t, codes.Unknown, status.Code(err))
		require.Equal(t, "no idea", status.Convert(err).Message())
	})
}
