package clientv3

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// watchStream is a watch stream without the client around it.
type watchStream struct {
	pb.Watch_WatchClient
	t *testing.T
	k *keyspace
}

func (k *keyspace) stream() *watchStream {
	k.t.Helper()
	stream, err := pb.NewWatchClient(k.ActiveConnection()).Watch(k.ctx)
	require.NoError(k.t, err)
	return &watchStream{stream, k.t, k}
}

func (s *watchStream) create(request *pb.WatchCreateRequest) {
	s.t.Helper()
	require.NoError(s.t, s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}}))
}

func (s *watchStream) cancel(id int64) {
	s.t.Helper()
	require.NoError(s.t, s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}}))
}

func (s *watchStream) progress() {
	s.t.Helper()
	require.NoError(s.t, s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}))
}

func (s *watchStream) recv() *pb.WatchResponse {
	s.t.Helper()
	resp, err := s.Recv()
	require.NoError(s.t, err)
	return resp
}

// Goal: the server numbers watches from 0 and steps over numbers that the client took; a taken number is refused.
// Method: create with and without numbers on one stream.
func TestWatchIDs(t *testing.T) {
	k := open(t)
	s := k.stream()
	for i, c := range []struct{ ask, want int64 }{{0, 0}, {0, 1}, {3, 3}, {0, 2}, {0, 4}, {99, 99}, {0, 5}} {
		s.create(&pb.WatchCreateRequest{Key: []byte(k.key("a")), WatchId: c.ask})
		resp := s.recv()
		require.True(t, resp.Created)
		require.False(t, resp.Canceled)
		require.Equal(t, c.want, resp.WatchId, "the watch %d", i)
		require.NotZero(t, resp.Header.Revision)
	}
	s.create(&pb.WatchCreateRequest{Key: []byte(k.key("a")), WatchId: 3})
	resp := s.recv()
	require.True(t, resp.Created)
	require.True(t, resp.Canceled)
	require.EqualValues(t, -1, resp.WatchId)
	require.Equal(t, "mvcc: duplicate watch ID provided on the WatchStream", resp.CancelReason)
}

// Goal: a watch can be cancelled by number; its number answers. Method: cancel, write, and see the write on the other watch only. A cancel of
// a number that is not there is not answered.
func TestWatchCancelByID(t *testing.T) {
	k := open(t)
	s := k.stream()
	for range 2 {
		s.create(&pb.WatchCreateRequest{Key: []byte(k.key("a"))})
		s.recv()
	}
	s.cancel(77)
	s.cancel(0)
	resp := s.recv()
	require.True(t, resp.Canceled)
	require.False(t, resp.Created)
	require.Zero(t, resp.WatchId)
	require.Empty(t, resp.CancelReason)
	k.put("a", "1")
	resp = s.recv()
	require.EqualValues(t, 1, resp.WatchId)
	require.Len(t, resp.Events, 1)
}

// Goal: the wire's own rules. Method: a negative start is refused, an empty key is the first key, an empty
// range is refused.
func TestWatchWireRules(t *testing.T) {
	k := open(t)
	s := k.stream()
	s.create(&pb.WatchCreateRequest{StartRevision: -1, Key: []byte(k.key("a"))})
	resp := s.recv()
	require.True(t, resp.Created && resp.Canceled)
	require.EqualValues(t, -1, resp.WatchId)
	require.Equal(t, "etcdserver: mvcc: required revision has been compacted", resp.CancelReason)

	s.create(&pb.WatchCreateRequest{RangeEnd: []byte{0}})
	require.True(t, s.recv().Created)
	k.put("a", "everything is watched")
	for seen := false; !seen; {
		for _, event := range s.recv().Events {
			seen = seen || string(event.Kv.Key) == k.key("a")
		}
	}
	// An empty range: nothing can happen in it, and it is refused.
	s = k.stream()
	s.create(&pb.WatchCreateRequest{Key: []byte("b"), RangeEnd: []byte("a")})
	resp = s.recv()
	require.True(t, resp.Created && resp.Canceled)
	require.Equal(t, "mvcc: watcher range is empty", resp.CancelReason)
}

// Goal: an answer to a request for progress is for all watches at once and not ahead of any event. Method: write and ask at once, many times.
func TestWatchProgressOnTheWire(t *testing.T) {
	k := open(t)
	s := k.stream()
	s.create(&pb.WatchCreateRequest{Key: []byte(k.key("a"))})
	s.create(&pb.WatchCreateRequest{Key: []byte(k.key("never"))})
	s.recv()
	s.recv()
	for i := range 50 {
		rev := k.put("a", fmt.Sprint(i))
		seen := false
		for done := false; !done; {
			s.progress()
			resp := s.recv()
			switch {
			case len(resp.Events) > 0:
				require.Equal(t, rev, resp.Events[0].Kv.ModRevision)
				seen = true
			default:
				require.EqualValues(t, -1, resp.WatchId)
				if resp.Header.Revision >= rev {
					require.True(t, seen, "progress overtook the event")
					done = true
				}
			}
		}
	}
}

// Goal: only what is too large is fragmented, at the size of a request, and all but the last piece say so. Method: a
// deletion of 3 MB with what was deleted, and the same without.
func TestWatchFragmentsOnTheWire(t *testing.T) {
	k, _ := own(t)
	fragments := k.stream()
	fragments.create(&pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, Fragment: true})
	fragments.recv()
	previous := k.stream()
	for i := range 30 {
		k.put(fmt.Sprintf("%02d", i), strings.Repeat("v", 100_000))
		require.False(t, fragments.recv().Fragment)
	}
	previous.create(&pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, Fragment: true, PrevKv: true})
	previous.recv()
	k.delete("", clientv3.WithPrefix())
	var pieces, events int
	for more := true; more; {
		resp := previous.recv()
		pieces, events, more = pieces+1, events+len(resp.Events), resp.Fragment
		for _, event := range resp.Events {
			require.Len(t, event.PrevKv.Value, 100_000)
		}
	}
	require.Greater(t, pieces, 1)
	require.Equal(t, 30, events)
	// Without what they were it is small.
	resp := fragments.recv()
	require.False(t, resp.Fragment)
	require.Len(t, resp.Events, 30)
}
