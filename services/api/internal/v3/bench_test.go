package v3_test

// Benchmarks of what this package adds to a request, without network and store:
//
//	go test ./services/api/internal/v3 -run '^$' -bench . -benchtime 1s
//
// Range shows what an answer of so many keys takes from the store's result to the bytes that gRPC sends.
//
// Watch shows what one delivery to one of many equal watches costs, sent in shared bytes and converted for each; both
// include the codec that gRPC would use.

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/api/internal/v3"
	"github.com/quoratedb/quorate/services/api/internal/wire"
)

func BenchmarkPut(b *testing.B) {
	response := &consensusv1.Result{Revision: 1, RaftTerm: 1, Result: &consensusv1.Result_Put{Put: &consensusv1.PutResult{}}}
	kv := newServices(b, &fakeConsensus{propose: func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
		return response, nil
	}}, nil).KV
	request := &etcdserverpb.PutRequest{Key: []byte("12345678"), Value: make([]byte, 256)}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := kv.Put(ctx, request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTxnAsKubernetesPuts(b *testing.B) {
	response := &consensusv1.Result{Revision: 1, RaftTerm: 1, Result: &consensusv1.Result_Txn{Txn: &consensusv1.TxnResult{
		Succeeded: true,
		Results:   []*consensusv1.OpResult{{Result: &consensusv1.OpResult_Put{Put: &consensusv1.PutResult{}}}},
	}}}
	kv := newServices(b, &fakeConsensus{propose: func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
		return response, nil
	}}, nil).KV
	request := &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{{
			Key: []byte("k"), Target: etcdserverpb.Compare_MOD, TargetUnion: &etcdserverpb.Compare_ModRevision{ModRevision: 9},
		}},
		Success: ops(put("k")),
		Failure: ops(get("k")),
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := kv.Txn(ctx, request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRange(b *testing.B) {
	for _, keys := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			result := &consensusv1.RangeResult{Count: int64(keys)}
			for range keys {
				result.Kvs = append(result.Kvs, &mvccpb.KeyValue{Key: []byte("12345678"), Value: make([]byte, 1024), ModRevision: 1 << 20})
			}
			kv := newServices(b, &fakeConsensus{rangeKeys: func(context.Context, *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
				return &consensusv1.RangeResponse{Result: result}, nil
			}}, nil).KV
			request := &etcdserverpb.RangeRequest{Key: []byte("1"), RangeEnd: []byte("2")}
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				response, err := kv.Range(ctx, request)
				if err != nil {
					b.Fatal(err)
				}
				data, err := wire.Codec{}.Marshal(response)
				if err != nil {
					b.Fatal(err)
				}
				data.Free()
			}
		})
	}
}

// benchSession delivers batches to the first watch, each deliveriesPerBatch times, until there have been enough.
type benchSession struct {
	fakeSession
	watch        *watchv1.Watch
	events, left int
	batch        *delivery.Batch
	shared       int
}

const deliveriesPerBatch = 100

func (s *benchSession) Next(ctx context.Context) (*delivery.Delivery, error) {
	if s.watch == nil {
		select {
		case s.watch = <-s.added:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s.left == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.left--
	if s.shared == 0 {
		var events []*consensusv1.Event
		for range s.events {
			events = append(events, &consensusv1.Event{Kv: &mvccpb.KeyValue{
				Key: []byte("12345678"), Value: make([]byte, 256), CreateRevision: 1 << 20, ModRevision: 1 << 21, Version: 9,
			}})
		}
		s.batch, s.shared = delivery.NewBatch(events), deliveriesPerBatch
	}
	s.shared--
	return &delivery.Delivery{ID: s.watch.GetId(), Batch: s.batch, Revision: 1 << 21}, nil
}

type benchWatch struct{ session *benchSession }

func (w benchWatch) Open() delivery.Session { return w.session }

// codecStream does with a message what gRPC does before the network: encode it.
type codecStream struct {
	grpc.ServerStream
	ctx      context.Context
	end      context.CancelFunc
	requests chan *etcdserverpb.WatchRequest
	left     int
}

func (s *codecStream) Context() context.Context { return s.ctx }

func (s *codecStream) RecvMsg(m any) error {
	select {
	case r := <-s.requests:
		proto.Merge(m.(*etcdserverpb.WatchRequest), r)
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func (s *codecStream) SendMsg(m any) error {
	data, err := wire.Codec{}.Marshal(m)
	data.Free()
	if s.left--; s.left == 0 {
		s.end()
	}
	return err
}

func BenchmarkWatchDelivery(b *testing.B) {
	for _, events := range []int{1, 10} {
		for name, change := range map[string]func(*v3.Config){"shared": encoded, "converted": func(*v3.Config) {}} {
			b.Run(fmt.Sprintf("%s/events=%d", name, events), func(b *testing.B) {
				ctx, end := context.WithCancel(b.Context())
				defer end()
				watch := newServices(b, &fakeConsensus{}, func(c *v3.Config) {
					c.Watch = benchWatch{&benchSession{fakeSession: *newFakeSession(), events: events, left: b.N}}
					change(c)
				}).Watch
				requests := make(chan *etcdserverpb.WatchRequest, 1)
				requests <- &etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{
					CreateRequest: &etcdserverpb.WatchCreateRequest{Key: []byte("k")},
				}}
				stream := &codecStream{ctx: ctx, end: end, requests: requests, left: b.N + 1}
				b.ReportAllocs()
				b.ResetTimer()
				err := watch.Watch(&grpc.GenericServerStream[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse]{ServerStream: stream})
				require.Error(b, err)
			})
		}
	}
}
