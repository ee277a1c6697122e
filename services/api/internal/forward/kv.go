package forward

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/services/api/internal/upstream"
)

// Cluster takes the calls.
type Cluster = grpc.ClientConnInterface

// call makes a unary call for the request that ctx is of. The error is ready for the client.
func call[Answer any](ctx context.Context, cluster Cluster, method string, request proto.Message) (*Answer, error) {
	answer := new(Answer)
	if err := cluster.Invoke(Outgoing(ctx), method, request, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// receiver is a stream from the cluster.
type receiver[Answer any] interface{ Recv() (*Answer, error) }

// pass hands all that comes from the cluster to send. The error is ready for the client.
func pass[Answer any](from receiver[Answer], send func(*Answer) error) error {
	for {
		answer, err := from.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return upstream.StreamError(err)
		}
		if err := send(answer); err != nil {
			return err
		}
	}
}

// KV is etcd's KV service.
type KV struct {
	etcdserverpb.UnsafeKVServer
	Cluster   Cluster
	Namespace Namespace
	// RequestBytesMax bounds what one write may have, in bytes as it goes out.
	RequestBytesMax int
	// Ordered has a read that is older than what was shown before made anew, without the member's own state.
	Ordered bool

	shown atomic.Int64 // the newest revision of any answer
}

// older tells that an answer is of before what was shown already, and remembers what is shown.
func (s *KV) older(header *etcdserverpb.ResponseHeader) bool {
	for {
		shown := s.shown.Load()
		if header.GetRevision() < shown {
			return s.Ordered
		}
		if header.GetRevision() == shown || s.shown.CompareAndSwap(shown, header.GetRevision()) {
			return false
		}
	}
}

// Range reads a range of keys from one revision.
func (s *KV) Range(ctx context.Context, r *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	r = s.Namespace.rangeRequest(r)
	answer, err := call[etcdserverpb.RangeResponse](ctx, s.Cluster, etcdserverpb.KV_Range_FullMethodName, r)
	if err == nil && s.older(answer.GetHeader()) && r.GetSerializable() {
		r = proto.CloneOf(r)
		r.Serializable = false
		answer, err = call[etcdserverpb.RangeResponse](ctx, s.Cluster, etcdserverpb.KV_Range_FullMethodName, r)
	}
	return s.Namespace.rangeResponse(answer), err
}

// RangeStream reads a range of keys from one revision, in the chunks that the member makes.
func (s *KV) RangeStream(r *etcdserverpb.RangeRequest, stream grpc.ServerStreamingServer[etcdserverpb.RangeStreamResponse]) error {
	ctx, cancel := context.WithCancel(Outgoing(stream.Context()))
	defer cancel()
	chunks, err := etcdserverpb.NewKVClient(s.Cluster).RangeStream(ctx, s.Namespace.rangeRequest(r))
	if err != nil {
		return upstream.StreamError(err)
	}
	return pass(chunks, func(chunk *etcdserverpb.RangeStreamResponse) error {
		s.Namespace.rangeResponse(chunk.GetRangeResponse())
		return stream.Send(chunk)
	})
}

// Put writes one key.
func (s *KV) Put(ctx context.Context, r *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	r = s.Namespace.put(r)
	if err := s.fits(r); err != nil {
		return nil, err
	}
	answer, err := call[etcdserverpb.PutResponse](ctx, s.Cluster, etcdserverpb.KV_Put_FullMethodName, r)
	s.older(answer.GetHeader())
	s.Namespace.strip(answer.GetPrevKv())
	return answer, err
}

// DeleteRange deletes a range of keys.
func (s *KV) DeleteRange(ctx context.Context, r *etcdserverpb.DeleteRangeRequest) (*etcdserverpb.DeleteRangeResponse, error) {
	r = s.Namespace.deletion(r)
	if err := s.fits(r); err != nil {
		return nil, err
	}
	answer, err := call[etcdserverpb.DeleteRangeResponse](ctx, s.Cluster, etcdserverpb.KV_DeleteRange_FullMethodName, r)
	s.older(answer.GetHeader())
	s.Namespace.strip(answer.GetPrevKvs()...)
	return answer, err
}

// Txn runs one of two lists of operations, depending on comparisons, as one revision.
func (s *KV) Txn(ctx context.Context, r *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	r = s.Namespace.txn(r)
	if err := s.fits(r); err != nil {
		return nil, err
	}
	answer, err := call[etcdserverpb.TxnResponse](ctx, s.Cluster, etcdserverpb.KV_Txn_FullMethodName, r)
	if err == nil && s.older(answer.GetHeader()) && upstream.ReadsOnly(r) {
		r = proto.CloneOf(r)
		linearizable(r)
		answer, err = call[etcdserverpb.TxnResponse](ctx, s.Cluster, etcdserverpb.KV_Txn_FullMethodName, r)
	}
	return s.Namespace.txnResponse(answer), err
}

// linearizable has every read of a transaction be of the cluster's newest state.
func linearizable(r *etcdserverpb.TxnRequest) {
	for _, branch := range [...][]*etcdserverpb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			if read := op.GetRequestRange(); read != nil {
				read.Serializable = false
			}
			if nested := op.GetRequestTxn(); nested != nil {
				linearizable(nested)
			}
		}
	}
}

// Compact makes a revision the oldest one that can be read.
func (s *KV) Compact(ctx context.Context, r *etcdserverpb.CompactionRequest) (*etcdserverpb.CompactionResponse, error) {
	return call[etcdserverpb.CompactionResponse](ctx, s.Cluster, etcdserverpb.KV_Compact_FullMethodName, r)
}

func (s *KV) fits(r proto.Message) error {
	if s.RequestBytesMax > 0 && proto.Size(r) > s.RequestBytesMax {
		return rpctypes.ErrGRPCRequestTooLarge
	}
	return nil
}
