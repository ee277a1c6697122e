package rights

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/metadata"

	"github.com/quoratedb/quorate/tests/harness"
)

// by is a context of calls by who has a name.
func (l *locked) by(t *testing.T, name string) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(harness.Context(t), "token", l.as(name).token)
}

func put(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}}}
}

// value is what root reads.
func (l *locked) value(t *testing.T, key string) string {
	t.Helper()
	resp, err := pb.NewKVClient(l.conn).Range(l.by(t, "root"), &pb.RangeRequest{Key: []byte(key)})
	require.NoError(t, err)
	if len(resp.GetKvs()) == 0 {
		return ""
	}
	return string(resp.GetKvs()[0].GetValue())
}

// CVE-2026-33343: what a transaction inside a transaction does was not checked. Method: a user of another prefix puts, reads and deletes
// there at depths from one to four, beside something that is theirs; nothing of it takes place.
func TestCVE202633343NestedTransactions(t *testing.T) {
	l := lock(t, store(t))
	kv := pb.NewKVClient(l.conn)
	_, err := kv.Put(l.by(t, "root"), &pb.PutRequest{Key: []byte("n/x"), Value: []byte("theirs")})
	require.NoError(t, err)
	for name, op := range map[string]*pb.RequestOp{
		"put":    put("n/x", "taken"),
		"range":  {Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("n/x")}}},
		"delete": {Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte("n/x")}}},
	} {
		for depth := range 4 {
			txn := &pb.TxnRequest{Success: []*pb.RequestOp{put("m/a", "mine"), op}}
			for range depth {
				txn = &pb.TxnRequest{Success: []*pb.RequestOp{within(txn)}}
			}
			_, err := kv.Txn(l.by(t, "prefix"), txn)
			require.EqualError(t, err, rpctypes.ErrGRPCPermissionDenied.Error(), "%s, %d deep", name, depth)
		}
	}
	require.Equal(t, "theirs", l.value(t, "n/x"))
	require.Empty(t, l.value(t, "m/a"), "all of a transaction is refused")
}

// CVE-2026-44283: a put in a transaction handed out the previous value without the right to read, and took leases of others. Method: a
// user who may only write a prefix asks for both, in a transaction and without one.
func TestCVE202644283PutInATransaction(t *testing.T) {
	l := lock(t, store(t))
	require.NoError(t, l.attach(context.Background()))
	kv := pb.NewKVClient(l.conn)
	for name, request := range map[string]*pb.PutRequest{
		"the previous value":                  {Key: []byte("m/k"), PrevKv: true},
		"a lease with a key of somebody else": {Key: []byte("m/k"), Lease: leaseOfN},
	} {
		_, err := kv.Put(l.by(t, "writer"), request)
		require.EqualError(t, err, rpctypes.ErrGRPCPermissionDenied.Error(), name)
		txn := &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: request}}}}
		_, err = kv.Txn(l.by(t, "writer"), txn)
		require.EqualError(t, err, rpctypes.ErrGRPCPermissionDenied.Error(), name)
		_, err = kv.Txn(l.by(t, "writer"), &pb.TxnRequest{Failure: []*pb.RequestOp{within(txn)}})
		require.EqualError(t, err, rpctypes.ErrGRPCPermissionDenied.Error(), name)
	}
	_, err := kv.Put(l.by(t, "writer"), &pb.PutRequest{Key: []byte("m/k"), Lease: leaseOfM})
	require.NoError(t, err)
}

// CVE-2026-33413: some methods asked nobody who they are. Method: every method that the matrix has, on every wire, without a name: only
// the state of authentication and logging in are for everybody.
func TestCVE202633413UnguardedMethods(t *testing.T) {
	l := lock(t, store(t))
	asked := map[string]bool{}
	for _, try := range tries() {
		if asked[try.method] || try.least == nothing {
			continue
		}
		asked[try.method] = true
		for _, w := range wires() {
			if !w.has(methodOf(try.method)) {
				continue
			}
			answer, err := w.call(harness.Context(t), l, methodOf(try.method), "", try.request(l.as("nobody")))
			require.Equal(t, wanted(l.as("nobody"), try), outcome(answer, err), "%s on %s", try.method, w.name)
		}
	}
	want := 49 - 2
	if !harness.IsPeer() {
		want += 7 + 12 // of our own services
	}
	require.Len(t, asked, want)
}

// GHSA-xg4h-6gfc-h4m8: a watch from a key on passed for one of that key. Method: the user of one key asks for a watch with the range end
// "\x00"; it is refused, and another one on the same stream sees its own key and nothing else.
func TestGHSAxg4h6gfch4m8WatchFromAKeyOn(t *testing.T) {
	l := lock(t, store(t))
	stream, err := pb.NewWatchClient(l.conn).Watch(l.by(t, "one"))
	require.NoError(t, err)
	create := func(end string) *pb.WatchResponse {
		require.NoError(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
			CreateRequest: &pb.WatchCreateRequest{Key: []byte("m/k"), RangeEnd: []byte(end)},
		}}))
		answer, err := stream.Recv()
		require.NoError(t, err)
		return answer
	}
	refused := create("\x00")
	require.True(t, refused.GetCreated() && refused.GetCanceled())
	require.EqualValues(t, -1, refused.GetWatchId())
	require.Equal(t, rpctypes.ErrGRPCPermissionDenied.Error(), refused.GetCancelReason())
	require.False(t, create("").GetCanceled())
	for _, key := range []string{"m/l", "n/x", "m/k"} {
		_, err := pb.NewKVClient(l.conn).Put(l.by(t, "root"), &pb.PutRequest{Key: []byte(key)})
		require.NoError(t, err)
	}
	events, err := stream.Recv()
	require.NoError(t, err)
	require.Len(t, events.GetEvents(), 1)
	require.Equal(t, "m/k", string(events.GetEvents()[0].GetKv().GetKey()))
}

// etcd's issue 22065: a proxy merged what two callers had asked, and gave one the other's answer. Method: callers of two prefixes, and
// one without a name, at the same time on one connection: each gets what is theirs, and refusals for all else.
func TestEtcd22065CallersAreNotMerged(t *testing.T) {
	l := lock(t, store(t))
	callersAreApart(t, l)
}

func callersAreApart(t *testing.T, l *locked) {
	t.Helper()
	kv, group := pb.NewKVClient(l.conn), new(errgroup.Group)
	theirs := map[string]string{"prefix": "m/k", "other": "n/x", "nobody": ""}
	for worker := range 8 {
		for name, mine := range theirs {
			ctx := harness.Context(t)
			if name != "nobody" {
				ctx = l.by(t, name)
			}
			group.Go(func() error {
				for round := range 50 {
					for _, key := range []string{"m/k", "n/x"} {
						want := ""
						switch {
						case mine == "":
							want = rpctypes.ErrGRPCUserEmpty.Error()
						case key != mine:
							want = rpctypes.ErrGRPCPermissionDenied.Error()
						}
						_, err := kv.Put(ctx, &pb.PutRequest{Key: []byte(key), Value: []byte(name)})
						if err == nil {
							_, err = kv.Range(ctx, &pb.RangeRequest{Key: []byte(key), Serializable: round%2 == 0})
						}
						if got := text(err); got != want {
							return fmt.Errorf("worker %d, round %d: %s of %s got %q, not %q", worker, round, key, name, got, want)
						}
					}
				}
				return nil
			})
		}
	}
	require.NoError(t, group.Wait())
	require.Equal(t, "prefix", l.value(t, "m/k"))
	require.Equal(t, "other", l.value(t, "n/x"))
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
