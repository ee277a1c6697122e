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
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
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
	if err == nil {
		err = refusalIn(answer)
	}
	if err == nil {
		return "allowed"
	}
	// etcd's locks and elections refuse in the same words, and with the code Unknown.
	unknown := harness.IsPeer() && status.Code(err) == codes.Unknown
	for _, refusal := range refusals {
		if refusal.Error() == err.Error() || unknown && status.Convert(refusal).Message() == status.Convert(err).Message() {
			return refusal.Error()
		}
	}
	if s, ok := status.FromError(err); ok && s.Code() != codes.Unimplemented {
		return "allowed"
	}
	return err.Error()
}

// errWithoutAWord is what etcd has for a stream that it refuses to begin.
var errWithoutAWord = errors.New("ended without an answer")

// refusalIn is the refusal that an answer holds.
func refusalIn(answer proto.Message) error {
	switch answer := answer.(type) {
	case *pb.WatchResponse:
		if answer.GetCanceled() {
			return errors.New(answer.GetCancelReason())
		}
	case *consolev1.LiveResponse:
		over := answer.GetEnded() // in etcd's words, without gRPC's around them
		for _, refusal := range refusals {
			if over != nil && status.Convert(refusal).Message() == over.GetReason() {
				return refusal
			}
		}
	case *v3electionpb.LeaderResponse:
		if answer.GetHeader() == nil {
			return errWithoutAWord
		}
	}
	return nil
}

func wanted(who *identity, t try) string {
	err := expected(who, t.least, t.needs)
	if t.believed && who.refusal == rpctypes.ErrGRPCInvalidAuthToken {
		err = who.refusal
	}
	switch {
	case err == nil:
		return "allowed"
	case t.silent && harness.IsPeer():
		return errWithoutAWord.Error()
	}
	return err.Error()
}

// attach has the leases and their keys be what the model takes them for, and nobody have a lock.
func (l *locked) attach(ctx context.Context) error {
	ctx = metadata.AppendToOutgoingContext(ctx, "token", l.as("root").token)
	put := func(key string, lease int64) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Lease: lease}}}
	}
	keys := &pb.TxnRequest{Success: append(noTurns(), put(keyOfM, leaseOfM), put(keyOfN, leaseOfN), put("m/a", 0))}
	left, err := pb.NewKVClient(l.conn).Txn(ctx, keys)
	if text(err) == rpctypes.ErrGRPCLeaseNotFound.Error() {
		for _, id := range []int64{leaseOfM, leaseOfN} {
			if _, err := pb.NewLeaseClient(l.conn).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: id, TTL: 600}); err != nil && text(err) != rpctypes.ErrGRPCLeaseExist.Error() {
				return err
			}
		}
		left, err = pb.NewKVClient(l.conn).Txn(ctx, keys)
	}
	for _, who := range l.all {
		who.newest = left.GetHeader().GetRevision()
	}
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
	files := []protoreflect.FileDescriptor{pb.File_rpc_proto, v3lockpb.File_v3lock_proto, v3electionpb.File_v3election_proto}
	if !harness.IsPeer() {
		files = append(files, quoratev1.File_quorate_v1_quota_proto, quoratev1.File_quorate_v1_inspect_proto, consolev1.File_quorate_console_v1_console_proto)
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
