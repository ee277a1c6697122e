package v3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/v3"
)

// equal compares messages by content.
func equal(t *testing.T, want, got proto.Message) {
	t.Helper()
	require.True(t, proto.Equal(want, got), "want %v\ngot  %v", want, got)
}

// TestRangeConverts sends a range with every option and an answer with every field through the service.
func TestRangeConverts(t *testing.T) {
	consensus := &fakeConsensus{rangeKeys: func(_ context.Context, r *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
		equal(t, &consensusv1.RangeRequest{
			Serializable: true,
			Range: &consensusv1.RangeOp{
				Key: []byte("a"), RangeEnd: []byte("b"), Limit: 5, Revision: 6,
				SortOrder:  consensusv1.RangeOp_SORT_ORDER_DESCEND,
				SortTarget: consensusv1.RangeOp_SORT_TARGET_MOD,
				KeysOnly:   true, CountOnly: true,
				MinModRevision: 7, MaxModRevision: 8, MinCreateRevision: 9, MaxCreateRevision: 10,
			},
		}, r)
		return &consensusv1.RangeResponse{
			Revision: 70, RaftTerm: raftTerm,
			Result: &consensusv1.RangeResult{
				More: true, Count: 9,
				Kvs: []*mvccpb.KeyValue{
					{Key: []byte("a1"), CreateRevision: 1, ModRevision: 2, Version: 3, Value: []byte("v"), Lease: 4},
					{Key: []byte("a2")},
				},
			},
		}, nil
	}}
	got, err := newServices(t, consensus, nil).KV.Range(t.Context(), &etcdserverpb.RangeRequest{
		Key: []byte("a"), RangeEnd: []byte("b"), Limit: 5, Revision: 6,
		SortOrder:    etcdserverpb.RangeRequest_DESCEND,
		SortTarget:   etcdserverpb.RangeRequest_MOD,
		Serializable: true, KeysOnly: true, CountOnly: true,
		MinModRevision: 7, MaxModRevision: 8, MinCreateRevision: 9, MaxCreateRevision: 10,
	})
	require.NoError(t, err)
	equal(t, &etcdserverpb.RangeResponse{
		Header: header(70), More: true, Count: 9,
		Kvs: []*mvccpb.KeyValue{
			{Key: []byte("a1"), CreateRevision: 1, ModRevision: 2, Version: 3, Value: []byte("v"), Lease: 4},
			{Key: []byte("a2")},
		},
	}, got)
}

// TestRangeNormalises checks the two spellings that etcd takes for another: a negative limit for none, and a target
// without an order for ascending.
func TestRangeNormalises(t *testing.T) {
	consensus := &fakeConsensus{rangeKeys: func(_ context.Context, r *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
		require.Zero(t, r.GetRange().GetLimit())
		require.Equal(t, consensusv1.RangeOp_SORT_ORDER_ASCEND, r.GetRange().GetSortOrder())
		return &consensusv1.RangeResponse{}, nil
	}}
	_, err := newServices(t, consensus, nil).KV.Range(t.Context(), &etcdserverpb.RangeRequest{
		Key: []byte("a"), Limit: -1, SortTarget: etcdserverpb.RangeRequest_VALUE,
	})
	require.NoError(t, err)
}

// TestPutConverts sends a put with every option through the service and back.
func TestPutConverts(t *testing.T) {
	consensus := &fakeConsensus{propose: func(_ context.Context, c *consensusv1.Command) (*consensusv1.Result, error) {
		equal(t, &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{
			Key: []byte("k"), Value: []byte("v"), Lease: 5, PrevKv: true,
		}}}, c)
		return &consensusv1.Result{Revision: 45, RaftTerm: raftTerm, Result: &consensusv1.Result_Put{Put: &consensusv1.PutResult{
			PrevKv: &mvccpb.KeyValue{Key: []byte("k"), Value: []byte("old"), Version: 1},
		}}}, nil
	}}
	got, err := newServices(t, consensus, nil).KV.Put(t.Context(), &etcdserverpb.PutRequest{
		Key: []byte("k"), Value: []byte("v"), Lease: 5, PrevKv: true,
	})
	require.NoError(t, err)
	equal(t, &etcdserverpb.PutResponse{
		Header: header(45),
		PrevKv: &mvccpb.KeyValue{Key: []byte("k"), Value: []byte("old"), Version: 1},
	}, got)

	consensus.propose = func(_ context.Context, c *consensusv1.Command) (*consensusv1.Result, error) {
		equal(t, &consensusv1.PutOp{Key: []byte("k"), IgnoreValue: true, IgnoreLease: true}, c.GetPut())
		return &consensusv1.Result{Revision: 46, RaftTerm: raftTerm, Result: &consensusv1.Result_Put{Put: &consensusv1.PutResult{}}}, nil
	}
	got, err = newServices(t, consensus, nil).KV.Put(t.Context(), &etcdserverpb.PutRequest{Key: []byte("k"), IgnoreValue: true, IgnoreLease: true})
	require.NoError(t, err)
	equal(t, &etcdserverpb.PutResponse{Header: header(46)}, got)
}

// TestDeleteRangeConverts sends a deletion with every option through the service and back.
func TestDeleteRangeConverts(t *testing.T) {
	consensus := &fakeConsensus{propose: func(_ context.Context, c *consensusv1.Command) (*consensusv1.Result, error) {
		equal(t, &consensusv1.DeleteRangeOp{Key: []byte("a"), RangeEnd: []byte("b"), PrevKv: true}, c.GetDeleteRange())
		return &consensusv1.Result{Revision: 45, RaftTerm: raftTerm, Result: &consensusv1.Result_DeleteRange{
			DeleteRange: &consensusv1.DeleteRangeResult{Deleted: 1, PrevKvs: []*mvccpb.KeyValue{{Key: []byte("a")}}},
		}}, nil
	}}
	got, err := newServices(t, consensus, nil).KV.DeleteRange(t.Context(), &etcdserverpb.DeleteRangeRequest{
		Key: []byte("a"), RangeEnd: []byte("b"), PrevKv: true,
	})
	require.NoError(t, err)
	equal(t, &etcdserverpb.DeleteRangeResponse{
		Header: header(45), Deleted: 1, PrevKvs: []*mvccpb.KeyValue{{Key: []byte("a")}},
	}, got)
}

// TestRequestsThatAreRefused sends one bad request after the other; none may reach the store.
func TestRequestsThatAreRefused(t *testing.T) {
	key := []byte("k")
	kv := newServices(t, &fakeConsensus{}, func(c *v3.Config) { c.MaxRequestBytes = 1000 }).KV
	rangeOf := func(r *etcdserverpb.RangeRequest) func() error {
		return func() error { _, err := kv.Range(t.Context(), r); return err }
	}
	putOf := func(r *etcdserverpb.PutRequest) func() error {
		return func() error { _, err := kv.Put(t.Context(), r); return err }
	}
	cases := []struct {
		name string
		call func() error
		want error
	}{
		{"range without key", rangeOf(&etcdserverpb.RangeRequest{}), rpctypes.ErrGRPCEmptyKey},
		{"range with unknown order", rangeOf(&etcdserverpb.RangeRequest{Key: key, SortOrder: 3}), rpctypes.ErrGRPCInvalidSortOption},
		{"range with negative order", rangeOf(&etcdserverpb.RangeRequest{Key: key, SortOrder: -1}), rpctypes.ErrGRPCInvalidSortOption},
		{"range with unknown target", rangeOf(&etcdserverpb.RangeRequest{Key: key, SortTarget: 5}), rpctypes.ErrGRPCInvalidSortOption},
		{"put without key", putOf(&etcdserverpb.PutRequest{Value: key}), rpctypes.ErrGRPCEmptyKey},
		{"put that ignores its value", putOf(&etcdserverpb.PutRequest{Key: key, Value: key, IgnoreValue: true}), rpctypes.ErrGRPCValueProvided},
		{"put that ignores its lease", putOf(&etcdserverpb.PutRequest{Key: key, Lease: 1, IgnoreLease: true}), rpctypes.ErrGRPCLeaseProvided},
		{"put too large", putOf(&etcdserverpb.PutRequest{Key: key, Value: make([]byte, 1000)}), rpctypes.ErrGRPCRequestTooLarge},
		{"delete without key", func() error {
			_, err := kv.DeleteRange(t.Context(), &etcdserverpb.DeleteRangeRequest{RangeEnd: key})
			return err
		}, rpctypes.ErrGRPCEmptyKey},
		{"delete too large", func() error {
			_, err := kv.DeleteRange(t.Context(), &etcdserverpb.DeleteRangeRequest{Key: make([]byte, 1000)})
			return err
		}, rpctypes.ErrGRPCRequestTooLarge},
		{"txn too large", func() error {
			_, err := kv.Txn(t.Context(), &etcdserverpb.TxnRequest{Success: ops(put(string(make([]byte, 1000))))})
			return err
		}, rpctypes.ErrGRPCRequestTooLarge},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, c.call()) })
	}
}

// TestRangeStreamRefuses checks which ranges cannot be streamed, and etcd's words for it.
func TestRangeStreamRefuses(t *testing.T) {
	client := etcdserverpb.NewKVClient(dial(t, newServices(t, &fakeConsensus{}, nil)))
	const (
		sorted   = "RangeStream does not support custom sort orders"
		filtered = "RangeStream does not support revision filters"
	)
	key := []byte("k")
	cases := []struct {
		name    string
		request *etcdserverpb.RangeRequest
		code    codes.Code
		text    string
	}{
		{"no key", &etcdserverpb.RangeRequest{}, codes.InvalidArgument, "etcdserver: key is not provided"},
		{"unknown order", &etcdserverpb.RangeRequest{Key: key, SortOrder: 9}, codes.InvalidArgument, "etcdserver: invalid sort option"},
		{"descending", &etcdserverpb.RangeRequest{Key: key, SortOrder: etcdserverpb.RangeRequest_DESCEND}, codes.Unimplemented, sorted},
		{"by version", &etcdserverpb.RangeRequest{Key: key, SortOrder: etcdserverpb.RangeRequest_ASCEND, SortTarget: etcdserverpb.RangeRequest_VERSION}, codes.Unimplemented, sorted},
		{"min mod", &etcdserverpb.RangeRequest{Key: key, MinModRevision: 1}, codes.Unimplemented, filtered},
		{"max mod", &etcdserverpb.RangeRequest{Key: key, MaxModRevision: 1}, codes.Unimplemented, filtered},
		{"min create", &etcdserverpb.RangeRequest{Key: key, MinCreateRevision: 1}, codes.Unimplemented, filtered},
		{"max create", &etcdserverpb.RangeRequest{Key: key, MaxCreateRevision: 1}, codes.Unimplemented, filtered},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stream, err := client.RangeStream(t.Context(), c.request)
			require.NoError(t, err)
			_, err = stream.Recv()
			require.Equal(t, c.code, status.Code(err))
			require.Equal(t, c.text, status.Convert(err).Message())
		})
	}
}

// TestRangeStreamHeadersTheLastChunk streams three chunks, the last without keys, and a range without any.
func TestRangeStreamHeadersTheLastChunk(t *testing.T) {
	chunks := []*consensusv1.RangeResult{
		{Kvs: []*mvccpb.KeyValue{{Key: []byte("a")}}},
		{Kvs: []*mvccpb.KeyValue{{Key: []byte("b")}}},
		{More: true, Count: 3},
	}
	consensus := &fakeConsensus{rangeStream: func(_ context.Context, r *consensusv1.RangeStreamRequest, send func(*consensusv1.RangeStreamResponse) error) error {
		require.True(t, r.GetSerializable())
		for _, chunk := range chunks {
			if err := send(&consensusv1.RangeStreamResponse{Result: chunk, Revision: 50, RaftTerm: raftTerm}); err != nil {
				return err
			}
		}
		return nil
	}}
	client := etcdserverpb.NewKVClient(dial(t, newServices(t, consensus, nil)))
	receive := func() (got []*etcdserverpb.RangeResponse) {
		// Ascending by key is how a stream comes anyway, and a target means nothing without an order.
		stream, err := client.RangeStream(t.Context(), &etcdserverpb.RangeRequest{
			Key: []byte("a"), RangeEnd: []byte("z"), SortTarget: etcdserverpb.RangeRequest_MOD, Serializable: true,
		})
		require.NoError(t, err)
		for {
			chunk, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return got
			}
			require.NoError(t, err)
			got = append(got, chunk.GetRangeResponse())
		}
	}
	got := receive()
	require.Len(t, got, 3)
	equal(t, &etcdserverpb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Key: []byte("a")}}}, got[0])
	equal(t, &etcdserverpb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Key: []byte("b")}}}, got[1])
	equal(t, &etcdserverpb.RangeResponse{Header: header(50), More: true, Count: 3}, got[2])

	chunks = []*consensusv1.RangeResult{{}}
	got = receive()
	require.Len(t, got, 1)
	equal(t, &etcdserverpb.RangeResponse{Header: header(50)}, got[0])
}

// TestRangeStreamPassesRefusals checks that an error of the store in mid-stream gets etcd's code.
func TestRangeStreamPassesRefusals(t *testing.T) {
	consensus := &fakeConsensus{rangeStream: func(context.Context, *consensusv1.RangeStreamRequest, func(*consensusv1.RangeStreamResponse) error) error {
		return fmt.Errorf("range: %w", errdefs.ErrCompacted)
	}}
	stream, err := etcdserverpb.NewKVClient(dial(t, newServices(t, consensus, nil))).
		RangeStream(t.Context(), &etcdserverpb.RangeRequest{Key: []byte("k")})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Equal(t, status.Convert(rpctypes.ErrGRPCCompacted).Message(), status.Convert(err).Message())
	require.Equal(t, codes.OutOfRange, status.Code(err))
}

// TestCompact checks that a logical compaction waits for nothing and a physical one for the space.
func TestCompact(t *testing.T) {
	waited := false
	consensus := &fakeConsensus{
		propose: func(_ context.Context, c *consensusv1.Command) (*consensusv1.Result, error) {
			require.Equal(t, int64(7), c.GetCompact().GetRevision())
			return &consensusv1.Result{Revision: 9, RaftTerm: raftTerm}, nil
		},
		waitCompacted: func(context.Context) error { waited = true; return nil },
	}
	kv := newServices(t, consensus, nil).KV
	got, err := kv.Compact(t.Context(), &etcdserverpb.CompactionRequest{Revision: 7})
	require.NoError(t, err)
	equal(t, &etcdserverpb.CompactionResponse{Header: header(9)}, got)
	require.False(t, waited)

	_, err = kv.Compact(t.Context(), &etcdserverpb.CompactionRequest{Revision: 7, Physical: true})
	require.NoError(t, err)
	require.True(t, waited)

	consensus.propose = func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
		return nil, fmt.Errorf("compact: %w", errdefs.ErrFutureRevision)
	}
	_, err = kv.Compact(t.Context(), &etcdserverpb.CompactionRequest{Revision: 7})
	require.Equal(t, rpctypes.ErrGRPCFutureRev, err)
}

// TestWaitsEnd lets the request timeout, the client's deadline and the client's cancellation end a call that nobody
// answers, on virtual time.
func TestWaitsEnd(t *testing.T) {
	put := func(kv *v3.KVServer, ctx context.Context) error {
		_, err := kv.Put(ctx, &etcdserverpb.PutRequest{Key: []byte("k")})
		return err
	}
	get := func(kv *v3.KVServer, ctx context.Context) error {
		_, err := kv.Range(ctx, &etcdserverpb.RangeRequest{Key: []byte("k")})
		return err
	}
	cases := []struct {
		name   string
		call   func(*v3.KVServer, context.Context) error
		after  time.Duration // 0: the client sets nothing
		cancel bool
		took   time.Duration
		want   error
	}{
		{"write, nothing set", put, 0, false, 7 * time.Second, rpctypes.ErrGRPCTimeout},
		{"read, nothing set", get, 0, false, 7 * time.Second, rpctypes.ErrGRPCTimeout},
		{"write, long deadline", put, time.Minute, false, 7 * time.Second, rpctypes.ErrGRPCTimeout},
		{"write, short deadline", put, time.Second, false, time.Second, rpctypes.ErrGRPCTimeout},
		{"read, short deadline", get, time.Second, false, time.Second, status.FromContextError(context.DeadlineExceeded).Err()},
		{"write, cancelled", put, time.Second, true, time.Second, rpctypes.ErrGRPCCanceled},
		{"read, cancelled", get, time.Second, true, time.Second, status.FromContextError(context.Canceled).Err()},
	}
	// A port may report why its context ended as the context's error or as its cause.
	reports := map[string]func(context.Context) error{
		"error": func(ctx context.Context) error { return fmt.Errorf("wait: %w", ctx.Err()) },
		"cause": func(ctx context.Context) error { return fmt.Errorf("wait: %w", context.Cause(ctx)) },
	}
	for _, c := range cases {
		for name, report := range reports {
			t.Run(c.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					wait := func(ctx context.Context) error { <-ctx.Done(); return report(ctx) }
					kv := newServices(t, &fakeConsensus{
						propose: func(ctx context.Context, _ *consensusv1.Command) (*consensusv1.Result, error) { return nil, wait(ctx) },
						rangeKeys: func(ctx context.Context, _ *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
							return nil, wait(ctx)
						},
					}, nil).KV
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if c.cancel {
						defer time.AfterFunc(c.after, cancel).Stop()
					} else if c.after > 0 {
						ctx, cancel = context.WithTimeout(ctx, c.after)
						defer cancel()
					}
					begin := time.Now()
					require.Equal(t, c.want.Error(), c.call(kv, ctx).Error())
					require.Equal(t, c.took, time.Since(begin))
				})
			})
		}
	}
}

// TestSerializableReadsHaveNoTimeout checks that a read which agrees with nobody may take as long as it needs.
func TestSerializableReadsHaveNoTimeout(t *testing.T) {
	bounded := func(ctx context.Context) bool { _, ok := ctx.Deadline(); return ok }
	kv := newServices(t, &fakeConsensus{
		rangeKeys: func(ctx context.Context, r *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
			require.Equal(t, !r.GetSerializable(), bounded(ctx))
			return &consensusv1.RangeResponse{}, nil
		},
	}, nil).KV
	for _, serializable := range []bool{true, false} {
		_, err := kv.Range(t.Context(), &etcdserverpb.RangeRequest{Key: []byte("k"), Serializable: serializable})
		require.NoError(t, err)
	}
}

// TestEncodingsAreTheSame encodes each shared noun with one set of types and decodes it with the other: what lets
// events be encoded once.
func TestEncodingsAreTheSame(t *testing.T) {
	kv := &mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 1, ModRevision: 2, Version: 3, Value: []byte("v"), Lease: 4}
	events := []*consensusv1.Event{
		{Type: consensusv1.Event_PUT, Kv: kv, PrevKv: kv},
		{Type: consensusv1.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: 9}},
	}
	wants := []*mvccpb.Event{
		{
			Type:   mvccpb.Event_PUT,
			Kv:     &mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 1, ModRevision: 2, Version: 3, Value: []byte("v"), Lease: 4},
			PrevKv: &mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 1, ModRevision: 2, Version: 3, Value: []byte("v"), Lease: 4},
		},
		{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: 9}},
	}
	for i, event := range events {
		ours, err := proto.MarshalOptions{Deterministic: true}.Marshal(event)
		require.NoError(t, err)
		theirs, err := proto.MarshalOptions{Deterministic: true}.Marshal(wants[i])
		require.NoError(t, err)
		require.True(t, bytes.Equal(ours, theirs))
	}
}
