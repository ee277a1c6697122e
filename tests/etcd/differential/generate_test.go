package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Goal: a seed is a sequence, so that a failure can be repeated. Method: make it twice, and another.
func TestSeedsRepeat(t *testing.T) {
	require.Equal(t, describe(generate(7, 200)), describe(generate(7, 200)))
	require.NotEqual(t, describe(generate(7, 200)), describe(generate(8, 200)))
}

// Goal: every call, every field and the rare forms come up. Method: collect from some thousand steps which messages there are and which of their
// fields are ever set.
func TestGeneratorReachesEverything(t *testing.T) {
	set := map[protoreflect.FullName]bool{}
	messages := map[string]int{}
	streamed, crashes, depth, largest := 0, 0, 0, 0
	for seed := range uint64(30) {
		for _, s := range generate(seed, stepsEach) {
			messages[string(s.request.ProtoReflect().Descriptor().Name())]++
			largest = max(largest, proto.Size(s.request))
			if s.streamed {
				streamed++
			}
			if s.crash {
				crashes++
			}
			if txn, ok := s.request.(*pb.TxnRequest); ok {
				depth = max(depth, depthOf(txn))
			}
			walk(s.request.ProtoReflect(), func(_ protoreflect.Message, field protoreflect.FieldDescriptor, _ protoreflect.Value) {
				set[field.FullName()] = true
			})
		}
	}
	for name := range calls {
		require.Positive(t, messages[name], name)
	}
	require.Positive(t, messages["LeaseKeepAliveRequest"])
	require.Positive(t, messages["WatchRequest"])
	require.Positive(t, streamed)
	require.Positive(t, crashes)
	require.GreaterOrEqual(t, depth, 3)
	require.Greater(t, largest, tooLargeForGRPC)
	for _, m := range []proto.Message{
		&pb.RangeRequest{}, &pb.PutRequest{}, &pb.DeleteRangeRequest{}, &pb.TxnRequest{}, &pb.Compare{}, &pb.CompactionRequest{},
		&pb.WatchCreateRequest{}, &pb.WatchCancelRequest{}, &pb.LeaseGrantRequest{}, &pb.LeaseTimeToLiveRequest{},
	} {
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			require.True(t, set[fields.Get(i).FullName()], fields.Get(i).FullName())
		}
	}
}

func depthOf(txn *pb.TxnRequest) int {
	deepest := 0
	for _, branch := range [][]*pb.RequestOp{txn.Success, txn.Failure} {
		for _, op := range branch {
			if inner := op.GetRequestTxn(); inner != nil {
				deepest = max(deepest, depthOf(inner))
			}
		}
	}
	return deepest + 1
}

// Goal: relative revisions mean what the stores have when their turn comes, and no other number is touched. Method: resolve some at each depth.
func TestResolve(t *testing.T) {
	inner := &pb.RangeRequest{Key: []byte("a"), Revision: toCompacted - 1, Limit: 3, MinModRevision: -1, MaxModRevision: 1<<63 - 1}
	txn := &pb.TxnRequest{
		Compare: []*pb.Compare{{TargetUnion: &pb.Compare_ModRevision{ModRevision: toNow - 2}}},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
			Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: inner}}},
		}}}},
	}
	resolved := resolve(txn, 40, 30).(*pb.TxnRequest)
	require.EqualValues(t, 38, resolved.Compare[0].GetModRevision())
	got := resolved.Success[0].GetRequestTxn().Failure[0].GetRequestRange()
	require.True(t, proto.Equal(&pb.RangeRequest{
		Key: []byte("a"), Revision: 29, Limit: 3, MinModRevision: -1, MaxModRevision: 1<<63 - 1,
	}, got), got)
	require.Equal(t, toCompacted-1, inner.Revision, "the step stays as it is")
	require.Equal(t, "Put {key:\"a\" lease:max} @2", step{request: &pb.PutRequest{Key: []byte("a"), Lease: 1<<63 - 1}, node: 2}.String())
	require.Equal(t, "Range {revision:now-1} @0", step{request: &pb.RangeRequest{Revision: toNow - 1}}.String())
}
