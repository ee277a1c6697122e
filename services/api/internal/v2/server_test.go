package v2

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A request becomes the operation that it asks for. Each line is a method, a form and the operation.
func TestOperations(t *testing.T) {
	const (
		set    = consensusv1.TreeAction_TREE_ACTION_SET
		create = consensusv1.TreeAction_TREE_ACTION_CREATE
		update = consensusv1.TreeAction_TREE_ACTION_UPDATE
		swap   = consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP
		remove = consensusv1.TreeAction_TREE_ACTION_DELETE
		cad    = consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE
	)
	v, in100 := []byte("v"), now.Add(100*time.Second).UnixNano()
	for _, c := range []struct {
		method, form string
		want         *consensusv1.TreeOp
	}{
		{"PUT", "value=v", &consensusv1.TreeOp{Action: set, Value: v}},
		{"PUT", "value=v&ttl=100", &consensusv1.TreeOp{Action: set, Value: v, Expiration: in100}},
		{"PUT", "value=v&dir=true", &consensusv1.TreeOp{Action: set, Dir: true}},
		{"PUT", "refresh=true&ttl=100", &consensusv1.TreeOp{Action: set, Refresh: true, Expiration: in100}},
		{"PUT", "value=v&prevExist=false&prevValue=x&prevIndex=3", &consensusv1.TreeOp{Action: create, Value: v}},
		{"PUT", "value=v&prevExist=true&dir=true", &consensusv1.TreeOp{Action: update, Value: v}},
		{"PUT", "value=v&prevExist=true&prevIndex=0", &consensusv1.TreeOp{Action: update, Value: v}},
		{"PUT", "value=v&prevExist=true&prevValue=x", &consensusv1.TreeOp{Action: swap, Value: v, PrevValue: []byte("x")}},
		{"PUT", "value=v&prevIndex=7&dir=true", &consensusv1.TreeOp{Action: swap, Value: v, PrevIndex: 7}},
		{"POST", "value=v&prevExist=true&prevIndex=7&refresh=true&ttl=", nil},
		{"POST", "value=v&prevExist=true&prevIndex=7&recursive=true", &consensusv1.TreeOp{Action: create, Value: v, InOrder: true}},
		{"POST", "dir=true&ttl=100", &consensusv1.TreeOp{Action: create, InOrder: true, Dir: true, Expiration: in100}},
		{"DELETE", "dir=true&ttl=100&value=v", &consensusv1.TreeOp{Action: remove, Dir: true}},
		{"DELETE", "recursive=true&prevExist=true", &consensusv1.TreeOp{Action: remove, Recursive: true}},
		{"DELETE", "prevIndex=7&recursive=true", &consensusv1.TreeOp{Action: cad, PrevIndex: 7}},
	} {
		var got *consensusv1.TreeOp
		store := &fakeStore{propose: func(_ context.Context, op *consensusv1.TreeOp) (*consensusv1.Result, error) {
			got = op
			return nil, errdefs.ErrStopped
		}}
		s := newServer(store, nil, t.Context())
		if c.method == http.MethodDelete {
			ask(t, s, c.method, "/v2/keys/k?"+c.form, "")
		} else {
			ask(t, s, c.method, "/v2/keys/k", c.form)
		}
		if c.want == nil {
			require.Nil(t, got, "%s %s", c.method, c.form)
			continue
		}
		c.want.Path = []byte("/k")
		require.True(t, proto.Equal(c.want, got), "%s %s: want %v, got %v", c.method, c.form, c.want, got)
	}
}

// What the store cannot do is error 300, in etcd's words, and index 0. Method: a store that fails, and one that does not
// answer until the time is up.
func TestInternalErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		text string
	}{
		{errdefs.ErrNoLeader, "etcdserver: no leader"},
		{fmt.Errorf("write: %w", errdefs.ErrNoSpace), "etcdserver: mvcc: database space exceeded"},
		{errdefs.ErrTooManyRequests, "etcdserver: too many requests"},
	} {
		store := &fakeStore{
			propose: func(context.Context, *consensusv1.TreeOp) (*consensusv1.Result, error) { return nil, c.err },
			read: func(context.Context, *consensusv1.ReadTreeRequest) (*consensusv1.ReadTreeResponse, error) {
				return nil, c.err
			},
		}
		s := newServer(store, nil, t.Context())
		want := fmt.Sprintf("{\"errorCode\":300,\"message\":\"Raft Internal Error\",\"cause\":%q,\"index\":0}\n", c.text)
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			w := ask(t, s, method, "/v2/keys/k", "")
			require.Equal(t, 500, w.Code)
			require.Equal(t, want, w.Body.String())
			require.Equal(t, "0", w.Header().Get("X-Etcd-Index"))
			require.Equal(t, "c", w.Header().Get("X-Etcd-Cluster-Id"))
			require.Empty(t, w.Header().Get("X-Raft-Term"))
		}
	}
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{propose: func(ctx context.Context, _ *consensusv1.TreeOp) (*consensusv1.Result, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("wait: %w", ctx.Err())
		}}
		w := ask(t, newServer(store, nil, t.Context()), "PUT", "/v2/keys/k", "")
		require.Equal(t, 500, w.Code)
		require.Contains(t, w.Body.String(), `"cause":"etcdserver: request timed out"`)
	})
}

// Reads ask for what the client wants: a quorum or not, all levels or one, and HEAD never asks the other members.
func TestReads(t *testing.T) {
	var got *consensusv1.ReadTreeRequest
	store := &fakeStore{read: func(_ context.Context, r *consensusv1.ReadTreeRequest) (*consensusv1.ReadTreeResponse, error) {
		got = r
		return &consensusv1.ReadTreeResponse{Node: &consensusv1.TreeNode{
			Path: r.GetPath(), Value: []byte("v"), CreateRevision: 4, ModRevision: 5, Expiration: now.Add(1500 * time.Millisecond).UnixNano(),
		}, Revision: 7, RaftIndex: 8, RaftTerm: 9}, nil
	}}
	s := newServer(store, nil, t.Context())
	w := ask(t, s, "GET", "/v2/keys/a/b/?recursive=true", "")
	require.Equal(t, "/a/b", string(got.GetPath()))
	require.True(t, got.GetRecursive())
	require.True(t, got.GetSerializable())
	require.Equal(t, `{"action":"get","node":{"key":"/a/b","value":"v","expiration":"2026-11-22T08:00:02Z","ttl":2,"modifiedIndex":5,"createdIndex":4}}`+"\n", w.Body.String())
	require.Equal(t, []string{"7", "8", "9"}, []string{w.Header().Get("X-Etcd-Index"), w.Header().Get("X-Raft-Index"), w.Header().Get("X-Raft-Term")})
	ask(t, s, "GET", "/v2/keys/a?quorum=true", "")
	require.False(t, got.GetSerializable())
	ask(t, s, "HEAD", "/v2/keys/a?quorum=true", "")
	require.True(t, got.GetSerializable())
}

// A wait asks the watch service for the range, and ends with the server, whose session is closed then.
func TestWatchAsksForTheRange(t *testing.T) {
	for _, c := range []struct {
		target, key, end string
		start            int64
		once             bool
	}{
		{"/v2/keys/a?wait=true", "/a", "", 11, true},
		{"/v2/keys/a?wait=true&recursive=true&waitIndex=5", "/a", "/a0", 5, true},
		{"/v2/keys/?wait=true&recursive=true&stream=true", "/", "0", 11, false},
		{"/v2/keys/a?wait=true&waitIndex=18446744073709551615", "/a", "", 1<<63 - 2, true},
	} {
		ending, end := context.WithCancel(t.Context())
		watch := &fakeWatch{}
		end()
		w := ask(t, newServer(&fakeStore{}, watch, ending), "GET", c.target, "")
		require.Equal(t, 200, w.Code)
		require.Empty(t, w.Body.String())
		require.Equal(t, "10", w.Header().Get("X-Etcd-Index"))
		require.Equal(t, []any{c.key, c.end, c.start, c.once, true, true}, []any{
			string(watch.added.GetKey()), string(watch.added.GetRangeEnd()), watch.added.GetStartRevision(), watch.added.GetOnce(),
			watch.added.GetTree(), watch.added.GetPrevKv(),
		})
		require.True(t, watch.closed)
	}
}

// A member whose state is corrupt refuses to wait, and ends the waits that there are.
func TestNobodyWaitsOnACorruptState(t *testing.T) {
	store := &fakeStore{position: &consensusv1.PositionResponse{Corrupt: true}}
	w := ask(t, newServer(store, &fakeWatch{}, t.Context()), "GET", "/v2/keys/a?wait=true", "")
	require.Equal(t, 500, w.Code)
	require.Contains(t, w.Body.String(), "etcdserver: corrupt cluster")

	store = &fakeStore{becomesCorrupt: true}
	w = ask(t, newServer(store, &fakeWatch{}, t.Context()), "GET", "/v2/keys/a?wait=true", "")
	require.Equal(t, 200, w.Code)
	require.Empty(t, w.Body.String())
	require.True(t, store.unfollowed)
}

// deadlines is an answer that remembers the last deadline for writing.
type deadlines struct {
	*httptest.ResponseRecorder
	last, latest time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.last = at
	if at.After(d.latest) {
		d.latest = at
	}
	return nil
}

// A stream has a deadline while an event is written, and none while it waits for the next: over HTTP/2 it would end.
func TestStreamWaitsWithoutADeadline(t *testing.T) {
	ending, end := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer end()
	event := &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte("/a"), ModRevision: 11, CreateRevision: 11}}
	watch := &fakeWatch{deliveries: []*delivery.Delivery{{Batch: delivery.NewBatch([]*consensusv1.Event{event})}}}
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	newServer(&fakeStore{}, watch, ending).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/v2/keys/a?wait=true&stream=true", nil))
	require.Contains(t, w.Body.String(), `"key":"/a"`)
	require.False(t, w.latest.IsZero())
	require.True(t, w.last.IsZero())
}

// A wait ends with the store that it was for: it would hear nothing of the one that replaced it, for ever.
func TestWaitEndsWhenTheStoreIsReplaced(t *testing.T) {
	for _, target := range []string{"/v2/keys/a?wait=true", "/v2/keys/a?wait=true&stream=true"} {
		waited, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w := ask(t, newServer(&fakeStore{}, &fakeWatch{deliveries: []*delivery.Delivery{{Replaced: true}}}, waited), "GET", target, "")
		require.NoError(t, waited.Err())
		require.Equal(t, 200, w.Code)
		require.Empty(t, w.Body.String())
	}
}

// A wait is over with the first event that concerns it, and with the end of its history; a stream goes on to the next.
func TestWatchAnswers(t *testing.T) {
	put := func(key string, revision int64) *consensusv1.Event {
		return &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision, CreateRevision: revision}}
	}
	deliveries := func() []*delivery.Delivery {
		return []*delivery.Delivery{
			{Revision: 11}, // progress
			{Batch: delivery.NewBatch([]*consensusv1.Event{put("/a-", 12), put("/a/_x", 13), put("/a/x", 14)})},
			{Batch: delivery.NewBatch([]*consensusv1.Event{put("/a", 15)})},
			{CompactedRevision: 20},
		}
	}
	x := `{"action":"set","node":{"key":"/a/x","value":"","modifiedIndex":14,"createdIndex":14}}` + "\n"
	a := `{"action":"set","node":{"key":"/a","value":"","modifiedIndex":15,"createdIndex":15}}` + "\n"
	w := ask(t, newServer(&fakeStore{}, &fakeWatch{deliveries: deliveries()}, t.Context()), "GET", "/v2/keys/a?wait=true&recursive=true", "")
	require.Equal(t, x, w.Body.String())
	w = ask(t, newServer(&fakeStore{}, &fakeWatch{deliveries: deliveries()}, t.Context()), "GET", "/v2/keys/a?wait=true&recursive=true&stream=true", "")
	require.Equal(t, x+a, w.Body.String())
	w = ask(t, newServer(&fakeStore{}, &fakeWatch{deliveries: deliveries()}, t.Context()), "GET", "/v2/keys/none?wait=true", "")
	require.Equal(t, 200, w.Code)
	require.Empty(t, w.Body.String())
}

// Whoever was shown an event reads nothing older afterwards: its index is told before.
func TestShownEventsAreTold(t *testing.T) {
	event := &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte("/a"), ModRevision: 12, CreateRevision: 12}}
	s := newServer(&fakeStore{}, &fakeWatch{deliveries: []*delivery.Delivery{{Revision: 11}, {Batch: delivery.NewBatch([]*consensusv1.Event{event})}}}, t.Context())
	var shown []int64
	s.Shown = func(index int64) { shown = append(shown, index) }
	require.Contains(t, ask(t, s, "GET", "/v2/keys/a?wait=true", "").Body.String(), `"modifiedIndex":12`)
	require.Equal(t, []int64{12}, shown)
}

// Members are changed through the store, whose refusals have their answers.
func TestMemberChanges(t *testing.T) {
	const urls = `{"peerURLs":["http://h:1"]}`
	for _, c := range []struct {
		method, path, body string
		err                error
		status             int
		answer             string
	}{
		{"POST", "", urls, nil, 201, `{"id":"ab","name":"","peerURLs":["http://h:1"],"clientURLs":[]}` + "\n"},
		{"POST", "", urls, errdefs.ErrPeerInUse, 409, `{"message":"membership: peerURL exists"}` + "\n"},
		{"POST", "", urls, errdefs.ErrUnhealthy, 500, `{"message":"Internal Server Error"}` + "\n"},
		{"POST", "", `{"peerURLs":["http://h:1"` + strings.Repeat(`,"http://h:1"`, 16) + `]}`, nil, 400, `{"message":"no valid URLs given: too many, or too long"}` + "\n"},
		{"PUT", "/ab", urls, nil, 204, ""},
		{"PUT", "/ab", urls, errdefs.ErrMemberNotFound, 404, `{"message":"No such member: ab"}` + "\n"},
		{"PUT", "/ab", urls, errdefs.ErrMemberRemoved, 500, `{"message":"Internal Server Error"}` + "\n"},
		{"DELETE", "/ab", "", nil, 204, ""},
		{"DELETE", "/ab", "", errdefs.ErrMemberRemoved, 410, `{"message":"Member permanently removed: ab"}` + "\n"},
		{"DELETE", "/ab", "", errdefs.ErrMemberNotFound, 404, `{"message":"No such member: ab"}` + "\n"},
	} {
		w := ask(t, newServer(&fakeStore{change: c.err}, nil, t.Context()), c.method, "/v2/members"+c.path, c.body)
		require.Equal(t, c.status, w.Code, c)
		require.Equal(t, c.answer, w.Body.String())
		require.Equal(t, "c", w.Header().Get("X-Etcd-Cluster-Id"))
	}
}

// Where another member leads, or none, statistics and the leader say so; members are listed by id, also one that has not
// started.
func TestFollower(t *testing.T) {
	store := &fakeStore{
		status: &consensusv1.StatusResponse{MemberId: 2, LeaderId: 3},
		members: []*consensusv1.Member{
			{Id: 0xb, Name: "b", PeerUrls: []string{"http://b:1"}, ClientUrls: []string{"http://b:2", "http://b:3"}},
			{Id: 2, PeerUrls: []string{"http://a:1"}},
		},
	}
	s := newServer(store, nil, t.Context())
	w := ask(t, s, "GET", "/v2/stats/leader", "")
	require.Equal(t, 403, w.Code)
	require.Equal(t, `{"message":"not current leader"}`, w.Body.String())
	require.Contains(t, ask(t, s, "GET", "/v2/stats/self", "").Body.String(), `"state":"StateFollower"`)
	w = ask(t, s, "GET", "/v2/members/leader", "")
	require.Equal(t, 503, w.Code)
	require.Equal(t, "{\"message\":\"During election\"}\n", w.Body.String())
	require.Equal(t, `{"members":[{"id":"2","name":"","peerURLs":["http://a:1"],"clientURLs":[]},`+
		`{"id":"b","name":"b","peerURLs":["http://b:1"],"clientURLs":["http://b:2","http://b:3"]}]}`+"\n",
		ask(t, s, "GET", "/v2/members", "").Body.String())
	require.Equal(t, "http://b:2, http://b:3", ask(t, s, "GET", "/v2/machines", "").Body.String())
}
