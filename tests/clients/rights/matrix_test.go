package rights

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/tests/harness"
)

// refusals are the answers that say that somebody may not do something, and not that it cannot be done.
var refusals = []error{
	rpctypes.ErrGRPCUserEmpty, rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCAuthOldRevision,
	rpctypes.ErrGRPCInvalidAuthMgmt,
}

// outcome is the refusal that an answer holds, as text; "allowed" where it holds none.
func outcome(answer proto.Message, err error) string {
	if watch, ok := answer.(*pb.WatchResponse); ok && err == nil && watch.GetCanceled() {
		err = errors.New(watch.GetCancelReason())
	}
	if err == nil {
		return "allowed"
	}
	if slices.ContainsFunc(refusals, func(refusal error) bool { return refusal.Error() == err.Error() }) {
		return err.Error()
	}
	if _, ok := status.FromError(err); ok {
		return "allowed"
	}
	return err.Error()
}

func wanted(who *identity, t try) string {
	err := expected(who, t.least, t.needs)
	if t.believed && who.refusal == rpctypes.ErrGRPCInvalidAuthToken {
		err = who.refusal
	}
	if err != nil {
		return err.Error()
	}
	return "allowed"
}

// attach has the leases and their keys be what the model takes them for.
func (l *locked) attach(ctx context.Context) error {
	ctx = metadata.AppendToOutgoingContext(ctx, "token", l.as("root").token)
	for _, id := range []int64{leaseOfM, leaseOfN} {
		if _, err := pb.NewLeaseClient(l.conn).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: id, TTL: 600}); err != nil && err.Error() != rpctypes.ErrGRPCLeaseExist.Error() {
			return err
		}
	}
	put := func(key string, lease int64) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Lease: lease}}}
	}
	_, err := pb.NewKVClient(l.conn).Txn(ctx, &pb.TxnRequest{Success: []*pb.RequestOp{put(keyOfM, leaseOfM), put(keyOfN, leaseOfN), put("m/a", 0)}})
	return err
}

// tally collects what is not as expected.
type tally struct {
	mu struct {
		sync.Mutex
		asked int
		wrong []string
	}
}

// ask asks one thing by one caller, on one wire.
func (c *tally) ask(ctx context.Context, l *locked, w wire, t try, who *identity) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	answer, err := w.call(ctx, l, methodOf(t.method), who.token, t.request(who))
	got, want := outcome(answer, err), wanted(who, t)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.asked++
	if got != want {
		c.mu.wrong = append(c.mu.wrong, fmt.Sprintf("%s by %s, %s: %s, expected %s (%v)", w.name, who.name, t.name, got, want, err))
	}
}

// Goal: whoever calls, on any wire, may do what their permissions say and nothing else: each method, each kind of range, each flag that
// makes a request need more, at any depth of transactions. Method: every combination, on one wire each in turn, or all on every wire
// where QUORATE_TEST_FULL is set; what to expect comes from a model that goes by single keys, of etcd too.
func TestMatrix(t *testing.T) {
	l := lock(t, store(t))
	ctx := context.Background()
	require.NoError(t, l.attach(ctx))
	var c tally
	inTurn := 0
	each := func(t try, who *identity, ask func(wire)) {
		var able []wire
		for _, w := range wires() {
			if w.has(methodOf(t.method)) {
				able = append(able, w)
			}
		}
		inTurn++
		if os.Getenv(fullEnv) == "" {
			able = []wire{able[inTurn%len(able)]}
		}
		for _, w := range able {
			ask(w)
		}
	}
	pool, began := new(errgroup.Group), time.Now()
	pool.SetLimit(8)
	var later []func() error
	for _, t := range tries() {
		for _, who := range l.all {
			if who.root && t.spared {
				continue
			}
			each(t, who, func(w wire) {
				if !t.leases && !t.alone {
					pool.Go(func() error { c.ask(ctx, l, w, t, who); return nil })
					return
				}
				later = append(later, func() error {
					if err := l.attach(ctx); err != nil {
						return err
					}
					c.ask(ctx, l, w, t, who)
					return nil
				})
			})
		}
	}
	require.NoError(t, pool.Wait())
	for _, run := range later {
		require.NoError(t, run())
	}
	t.Logf("asked %d times in %v", c.mu.asked, time.Since(began).Round(time.Millisecond))
	slices.Sort(c.mu.wrong)
	require.Empty(t, c.mu.wrong, "%d answers are not as expected:\n%s", len(c.mu.wrong), strings.Join(c.mu.wrong[:min(len(c.mu.wrong), 60)], "\n"))
}

// Goal: the matrix leaves no method out. Method: every method of every service of etcd's API, and of ours, has a row.
func TestMatrixHasEveryMethod(t *testing.T) {
	tried := map[string]bool{}
	for _, t := range tries() {
		tried[t.method] = true
	}
	files := []protoreflect.FileDescriptor{pb.File_rpc_proto}
	if !harness.IsPeer() {
		files = append(files, quoratev1.File_quorate_v1_quota_proto, quoratev1.File_quorate_v1_inspect_proto)
	}
	for _, file := range files {
		services := file.Services()
		for i := range services.Len() {
			for j := range services.Get(i).Methods().Len() {
				name := fmt.Sprintf("%s.%s", services.Get(i).Name(), services.Get(i).Methods().Get(j).Name())
				require.True(t, tried[name], name)
			}
		}
	}
}

// Goal: with --auth-compact-root=false a user who is not root compacts, as Kubernetes' API servers do, and nobody else. Method: a user
// with rights on one prefix alone, and one without a name.
func TestUsersCompactWhereTheyMay(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd has no such flag")
	}
	l := lock(t, store(t, "--auth-compact-root=false"))
	compact := &pb.CompactionRequest{Revision: 1}
	_, err := callGRPC(harness.Context(t), l, methodOf("KV.Compact"), l.as("prefix").token, compact)
	require.NoError(t, err)
	_, err = callGRPC(harness.Context(t), l, methodOf("KV.Compact"), "", compact)
	require.EqualError(t, err, rpctypes.ErrGRPCUserEmpty.Error())
}
