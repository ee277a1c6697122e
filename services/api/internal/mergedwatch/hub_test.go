package mergedwatch

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// Goal: watches of one user for one range are one at the cluster, which ends with the last of them; another user's is another. Method: two
// sessions with different tokens of one user, and one of a stranger.
func TestEqualWatchesAreOne(t *testing.T) {
	r := newRig(t)
	first, second := r.watch("token1", 10), r.watch("token2", 10)
	shared := r.accept(10, 9)
	stranger := r.watch("user anne", 10)
	others := r.accept(10, 9)
	shared.put(10, 11)
	told(t, first, 10, 11)
	told(t, second, 10, 11)
	others.put(10)
	told(t, stranger, 10)
	first.Close()
	shared.put(12)
	told(t, second, 12)
	second.Remove(1)
	shared.ended(t)
	require.EqualValues(t, 1, r.hub.open.Load())
}

// Goal: a watch from the past catches up on its own and then shares the others', without a gap and nothing twice. Method: one from revision 5
// beside one from now on; its own is told what is past and then ends, also where the shared one was told an event meanwhile.
func TestPastWatchJoins(t *testing.T) {
	r := newRig(t)
	live := r.watch("token1", 10)
	shared := r.accept(10, 9)
	past := r.watch("token1", 5)
	own := r.accept(5, 9)
	shared.put(10)
	told(t, live, 10)
	own.put(5, 8)
	told(t, past, 5, 8)
	require.NotNil(t, own.request(t).GetProgressRequest())
	own.progress(9) // the shared one has handed 10 out: not yet
	own.put(10)
	told(t, past, 10)
	own.ended(t)
	shared.put(11)
	told(t, live, 11)
	told(t, past, 11)
	// It is counted off once its goroutine has seen the end.
	require.Eventually(t, func() bool { return r.hub.upstream.Load() == 1 }, patience, time.Millisecond)
}

// Goal: a watch whose member is lost goes on behind what it was told. Method: the stream ends as a connection does.
func TestWatchResumes(t *testing.T) {
	r := newRig(t)
	client := r.watch("token1", 10)
	before := r.accept(10, 9)
	before.put(10, 11)
	told(t, client, 10, 11)
	before.answers <- status.Error(codes.Unavailable, "error reading from server: EOF")
	after := r.accept(12, 11)
	after.put(12)
	told(t, client, 12)
}

// Goal: who does not take events holds up nobody and is told all of them later. Method: more deliveries than a session may be behind with; then the
// slow one reads, and is given the rest by a watch of its own.
func TestSlowClientCatchesUp(t *testing.T) {
	r := newRig(t)
	quick, slow := r.watch("token1", 10), r.watch("token1", 10)
	shared := r.accept(10, 9)
	last := int64(10 + sessionDeliveriesMax + 5)
	for revision := int64(10); revision <= last; revision++ {
		shared.put(revision)
		told(t, quick, revision)
	}
	behind := int64(10 + sessionDeliveriesMax)
	for revision := int64(10); revision < behind; revision++ {
		told(t, slow, revision)
	}
	// It asks for more, and has a watch of its own by that.
	received := make(chan struct{})
	go func() {
		defer close(received)
		told(t, slow, behind, behind+1, behind+2, behind+3, behind+4, behind+5)
	}()
	own := r.accept(behind, last)
	own.put(behind, behind+1, behind+2, behind+3, behind+4, last)
	<-received
	own.ended(t)
	shared.put(last + 1)
	told(t, slow, last+1)
	told(t, quick, last+1)
	require.Zero(t, r.hub.queued.Load())
}

// Goal: a progress request is answered once all watches are told as much. Method: one that has been told less, and a cluster that is silent at first.
func TestProgress(t *testing.T) {
	r := newRig(t)
	client := r.watch("token1", 10)
	shared := r.accept(10, 9)
	client.Progress(9)
	require.True(t, next(t, client).All, "nothing before its start is wanted")
	client.Progress(12)
	require.NotNil(t, shared.request(t).GetProgressRequest())
	require.NotNil(t, shared.request(t).GetProgressRequest(), "a cluster that is silent is asked again")
	shared.put(11)
	told(t, client, 11)
	shared.progress(13)
	answer := next(t, client)
	require.True(t, answer.All)
	require.EqualValues(t, 12, answer.Revision)
	shared.answers <- &etcdserverpb.WatchResponse{Header: header(20)}
	notice := next(t, client)
	require.False(t, notice.All)
	require.EqualValues(t, 20, notice.Revision)
}

// Goal: what the cluster ends a watch with, its clients are told. Method: each kind of end.
func TestEnds(t *testing.T) {
	canceled := func(change func(*etcdserverpb.WatchResponse)) *etcdserverpb.WatchResponse {
		r := &etcdserverpb.WatchResponse{Header: header(20), Canceled: true}
		change(r)
		return r
	}
	t.Run("compacted", func(t *testing.T) {
		r := newRig(t)
		client := r.watch("token1", 3)
		r.accept(3, 9).answers <- canceled(func(r *etcdserverpb.WatchResponse) { r.CompactRevision = 5 })
		require.EqualValues(t, 5, next(t, client).CompactedRevision)
	})
	t.Run("forbidden", func(t *testing.T) {
		r := newRig(t)
		client := r.watch("token1", 10)
		r.accept(10, 9).answers <- canceled(func(r *etcdserverpb.WatchResponse) { r.CancelReason = "etcdserver: permission denied" })
		require.Equal(t, "etcdserver: permission denied", next(t, client).Refused)
		require.Zero(t, r.hub.open.Load())
	})
	t.Run("another cluster", func(t *testing.T) {
		r := newRig(t)
		client := r.watch("token1", 10)
		s := r.accept(10, 9)
		s.put(10)
		told(t, client, 10)
		s.answers <- &etcdserverpb.WatchResponse{Header: &etcdserverpb.ResponseHeader{ClusterId: 8, Revision: 30}}
		require.True(t, next(t, client).Replaced)
	})
	for name, end := range map[string]struct{ from, want error }{
		"no leader":   {rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCNoLeader},
		"token ended": {rpctypes.ErrGRPCInvalidAuthToken, errdefs.ErrStopped},
		"too large":   {status.Error(codes.ResourceExhausted, "grpc: received message larger than max"), status.Error(codes.ResourceExhausted, "grpc: received message larger than max")},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			client := r.watch("token1", 10)
			s := r.accept(10, 9)
			s.put(10)
			told(t, client, 10)
			s.answers <- end.from
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_, err := client.Next(ctx)
			require.ErrorIs(t, err, end.want)
		})
	}
}

// Goal: nothing is lost and nothing comes twice while watches come and go and members are lost. Method: watches from many revisions and with pauses,
// over a cluster that ends streams again and again.
func TestManyWatches(t *testing.T) {
	r := newRig(t)
	const last = 400
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		for n := 0; ; n++ {
			select {
			case s := <-r.at.opened:
				go serve(s, n, last)
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() { cancel(); <-served }()
	failed := make(chan error, 30)
	for i := range int64(30) {
		s := r.watch(fmt.Sprint("token", 1+i%3), 1+7*i)
		go func() { failed <- follow(s, 1+7*i, last) }()
	}
	for range 30 {
		require.NoError(t, <-failed)
	}
}

// follow takes all events of a session up to the last.
func follow(s interface{ Close() }, from, last int64) error {
	session := s.(*Session)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for want := from; want <= last; {
		d, err := session.Next(ctx)
		if err != nil {
			return fmt.Errorf("from %d, at %d: %w", from, want, err)
		}
		if d.Batch == nil {
			continue
		}
		for _, event := range d.Batch.Events() {
			if got := event.GetKv().GetModRevision(); got != want {
				return fmt.Errorf("from %d: got %d, want %d", from, got, want)
			}
			want++
		}
	}
	return nil
}

// serve is a member that has all revisions up to the last, one event each, and is lost after some.
func serve(s *stream, n int, last int64) {
	var create *etcdserverpb.WatchCreateRequest
	select {
	case request := <-s.requests:
		create = request.GetCreateRequest()
	case <-s.ctx.Done():
		return
	}
	s.answers <- &etcdserverpb.WatchResponse{Header: header(9), Created: true}
	revision := create.GetStartRevision()
	for sent := 0; ; sent++ {
		if sent == 20+n%60 {
			s.answers <- status.Error(codes.Unavailable, "error reading from server: EOF")
			return
		}
		if revision <= last {
			s.put(revision)
			revision++
			continue
		}
		select {
		case request := <-s.requests:
			if request.GetProgressRequest() != nil {
				s.progress(last)
			}
		case <-s.ctx.Done():
			return
		case <-time.After(patience):
			return
		}
	}
}
