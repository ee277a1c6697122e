package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/tests/harness"
)

// answerWithin is how long a store may take for one answer, also after a crash.
const answerWithin = 20 * time.Second

// store is etcd or Quorate, with connections to where its clients go.
type store struct {
	name  string
	nodes harness.Cluster
	start func(context.Context) error
	conns []*grpc.ClientConn
}

// open starts the store and connects to its endpoints.
func (s *store) open(ctx context.Context, endpoints []string) error {
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	for _, endpoint := range endpoints {
		conn, err := grpc.NewClient("passthrough:///"+endpoint,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond},
				MinConnectTimeout: time.Second,
			}))
		if err != nil {
			return err
		}
		s.conns = append(s.conns, conn)
	}
	return nil
}

func (s *store) close() {
	for _, conn := range s.conns {
		_ = conn.Close() // nothing is under way
	}
	s.nodes.Kill()
}

// conn is the connection that a step's number chooses.
func (s *store) conn(node int) *grpc.ClientConn { return s.conns[node%len(s.conns)] }

// call is how a request is sent and what its answer is read into.
type call struct {
	method   string
	response proto.Message
}

// calls has the unary ones by the name of the request.
var calls = map[string]call{
	"RangeRequest":           {pb.KV_Range_FullMethodName, &pb.RangeResponse{}},
	"PutRequest":             {pb.KV_Put_FullMethodName, &pb.PutResponse{}},
	"DeleteRangeRequest":     {pb.KV_DeleteRange_FullMethodName, &pb.DeleteRangeResponse{}},
	"TxnRequest":             {pb.KV_Txn_FullMethodName, &pb.TxnResponse{}},
	"CompactionRequest":      {pb.KV_Compact_FullMethodName, &pb.CompactionResponse{}},
	"LeaseGrantRequest":      {pb.Lease_LeaseGrant_FullMethodName, &pb.LeaseGrantResponse{}},
	"LeaseRevokeRequest":     {pb.Lease_LeaseRevoke_FullMethodName, &pb.LeaseRevokeResponse{}},
	"LeaseTimeToLiveRequest": {pb.Lease_LeaseTimeToLive_FullMethodName, &pb.LeaseTimeToLiveResponse{}},
	"LeaseLeasesRequest":     {pb.Lease_LeaseLeases_FullMethodName, &pb.LeaseLeasesResponse{}},
}

// ask sends one request that has one answer.
func (s *store) ask(ctx context.Context, step step, request proto.Message) answer {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn := s.conn(step.node)
	var body proto.Message
	var err error
	switch r := request.(type) {
	case *pb.LeaseKeepAliveRequest:
		body, err = keepAlive(ctx, conn, r)
	case *pb.RangeRequest:
		if step.streamed {
			body, err = rangeStream(ctx, conn, r)
			break
		}
		body, err = invoke(ctx, conn, r)
	case *pb.LeaseGrantRequest:
		body, err = invoke(ctx, conn, r)
		if granted, ok := body.(*pb.LeaseGrantResponse); ok && err == nil && r.ID == 0 {
			body, err = forgo(ctx, conn, granted)
		}
	default:
		body, err = invoke(ctx, conn, r)
	}
	return result(body, err)
}

func result(body proto.Message, err error) answer {
	if err != nil {
		return answer{code: status.Code(err), text: status.Convert(err).Message()}
	}
	return answer{body: body}
}

func invoke(ctx context.Context, conn *grpc.ClientConn, request proto.Message) (proto.Message, error) {
	c, known := calls[string(request.ProtoReflect().Descriptor().Name())]
	if !known {
		return nil, status.Errorf(codes.Internal, "no call takes a %T", request)
	}
	response := proto.Clone(c.response)
	return response, conn.Invoke(ctx, c.method, request, response, grpc.WaitForReady(true))
}

// forgo revokes a lease whose id the store chose, and leaves no more of the id than that there was one.
func forgo(ctx context.Context, conn *grpc.ClientConn, granted *pb.LeaseGrantResponse) (proto.Message, error) {
	if _, err := pb.NewLeaseClient(conn).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: granted.ID}); err != nil {
		return nil, err
	}
	granted.ID = min(max(granted.ID, -1), 1)
	return granted, nil
}

func keepAlive(ctx context.Context, conn *grpc.ClientConn, request *pb.LeaseKeepAliveRequest) (proto.Message, error) {
	stream, err := pb.NewLeaseClient(conn).LeaseKeepAlive(ctx, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	if err := stream.Send(request); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	response, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	return response, stream.CloseSend()
}

// rangeStream reads a whole answer that comes in parts, whose sizes are the store's business.
func rangeStream(ctx context.Context, conn *grpc.ClientConn, request *pb.RangeRequest) (proto.Message, error) {
	stream, err := pb.NewKVClient(conn).RangeStream(ctx, request, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	whole := &pb.RangeResponse{}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
		whole.Kvs = slices.Concat(whole.Kvs, part.RangeResponse.Kvs)
		proto.Merge(whole, &pb.RangeResponse{
			Header: part.RangeResponse.Header, More: part.RangeResponse.More, Count: part.RangeResponse.Count,
		})
	}
}

// settle waits until every endpoint answers a linearizable read, and so has all that was acknowledged.
func (s *store) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for node := range s.conns {
		for {
			_, err := invoke(ctx, s.conns[node], &pb.RangeRequest{Key: []byte("settle"), CountOnly: true})
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s does not answer again: %w", s.name, err)
			}
		}
	}
	return nil
}
