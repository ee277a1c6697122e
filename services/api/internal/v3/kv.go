package v3

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// KVServer is etcd's KV service.
type KVServer struct {
	etcdserverpb.UnsafeKVServer
	*backend
	maxTxnOps       int
	maxRequestBytes int
}

// Range reads a range of keys from one revision.
func (s *KVServer) Range(ctx context.Context, r *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	if err := checkRange(r); err != nil {
		return nil, err
	}
	bounded, cancel := s.boundRead(ctx, r.GetSerializable())
	defer cancel()
	response, err := s.consensus.Range(bounded, &consensusv1.RangeRequest{
		Range:        toRangeOp(r),
		Serializable: r.GetSerializable(),
		Caller:       auth.Caller(ctx),
	})
	if err != nil {
		return nil, s.failure(bounded, err)
	}
	header, err := s.header(ctx, response.GetRevision(), response.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return fromRangeResult(response.GetResult(), header), nil
}

// RangeStream reads a range of keys from one revision, in chunks. Only the last one has a header and the count.
func (s *KVServer) RangeStream(r *etcdserverpb.RangeRequest, stream grpc.ServerStreamingServer[etcdserverpb.RangeStreamResponse]) error {
	if err := checkRangeStream(r); err != nil {
		return err
	}
	ctx := stream.Context()
	request := &consensusv1.RangeStreamRequest{Range: toRangeOp(r), Serializable: r.GetSerializable(), Caller: auth.Caller(ctx)}
	err := s.consensus.RangeStream(ctx, request, func(chunk *consensusv1.RangeStreamResponse) error {
		var header *etcdserverpb.ResponseHeader
		if lastChunk(chunk.GetResult()) {
			var err error
			if header, err = s.header(ctx, chunk.GetRevision(), chunk.GetRaftTerm()); err != nil {
				return err
			}
		}
		return stream.Send(&etcdserverpb.RangeStreamResponse{RangeResponse: fromRangeResult(chunk.GetResult(), header)})
	})
	return s.failure(ctx, err)
}

// lastChunk tells the last chunk of a range stream by its count, which no other chunk has. A range without keys is one
// chunk that is empty and whose count is zero.
func lastChunk(result *consensusv1.RangeResult) bool {
	return result.GetCount() > 0 || len(result.GetKvs()) == 0
}

// Put writes one key.
func (s *KVServer) Put(ctx context.Context, r *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	if err := checkPut(r); err != nil {
		return nil, err
	}
	if err := s.checkSize(r); err != nil {
		return nil, err
	}
	result, err := s.propose(ctx, toPutProposal(r))
	if err != nil {
		return nil, err
	}
	header, err := s.header(ctx, result.GetRevision(), result.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return fromPutResult(result.GetPut(), header), nil
}

// DeleteRange deletes a range of keys.
func (s *KVServer) DeleteRange(ctx context.Context, r *etcdserverpb.DeleteRangeRequest) (*etcdserverpb.DeleteRangeResponse, error) {
	if err := checkDeleteRange(r); err != nil {
		return nil, err
	}
	if err := s.checkSize(r); err != nil {
		return nil, err
	}
	result, err := s.propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_DeleteRange{DeleteRange: toDeleteRangeOp(r)},
	}})
	if err != nil {
		return nil, err
	}
	header, err := s.header(ctx, result.GetRevision(), result.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return fromDeleteRangeResult(result.GetDeleteRange(), header), nil
}

// Txn runs one of two lists of operations, depending on comparisons, as one revision. A transaction that cannot write
// goes round the log.
func (s *KVServer) Txn(ctx context.Context, r *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	if err := checkTxn(r, s.maxTxnOps); err != nil {
		return nil, err
	}
	if err := checkOverlaps(r); err != nil {
		return nil, err
	}
	if isReadOnly(r) {
		return s.readTxn(ctx, r)
	}
	if err := s.checkSize(r); err != nil {
		return nil, err
	}
	result, err := s.propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_Txn{Txn: toTxnOp(r)},
	}})
	if err != nil {
		return nil, err
	}
	header, err := s.header(ctx, result.GetRevision(), result.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return fromTxnResult(result.GetTxn(), header), nil
}

func (s *KVServer) readTxn(ctx context.Context, r *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	serializable := isSerializable(r)
	bounded, cancel := s.boundRead(ctx, serializable)
	defer cancel()
	response, err := s.consensus.ReadTxn(bounded, &consensusv1.ReadTxnRequest{Txn: toTxnOp(r), Serializable: serializable, Caller: auth.Caller(ctx)})
	if err != nil {
		return nil, s.failure(bounded, err)
	}
	header, err := s.header(ctx, response.GetRevision(), response.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return fromTxnResult(response.GetResult(), header), nil
}

// Compact makes a revision the oldest one that can be read. A physical one also waits until the space is given up,
// however long that takes.
func (s *KVServer) Compact(ctx context.Context, r *etcdserverpb.CompactionRequest) (*etcdserverpb.CompactionResponse, error) {
	result, err := s.propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: r.GetRevision()}},
	}})
	if err != nil {
		return nil, err
	}
	if r.GetPhysical() {
		if _, err := s.consensus.WaitCompacted(ctx, &consensusv1.WaitCompactedRequest{}); err != nil {
			return nil, s.failure(ctx, err)
		}
	}
	header, err := s.header(ctx, result.GetRevision(), result.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.CompactionResponse{Header: header}, nil
}

// boundRead bounds a read that other members must agree to. A serializable one has nobody to wait for, and how long it
// takes depends on how much it reads.
func (s *KVServer) boundRead(ctx context.Context, serializable bool) (context.Context, context.CancelFunc) {
	if serializable {
		return ctx, func() {}
	}
	return s.bound(ctx)
}

// checkSize refuses a write that is larger than the limit, before anything is made of it.
func (s *KVServer) checkSize(r proto.Message) error { return checkSize(r, s.maxRequestBytes) }

func checkSize(r proto.Message, bytesMax int) error {
	if proto.Size(r) > bytesMax {
		return rpctypes.ErrGRPCRequestTooLarge
	}
	return nil
}
