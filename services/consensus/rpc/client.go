package rpc

import (
	"context"

	"connectrpc.com/connect"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// NewClient makes a client of the consensus member at a URL. It dials nothing.
func NewClient(c connect.HTTPClient, url string) Service {
	return client{consensusv1connect.NewConsensusServiceClient(c, url, interceptor.ClientOptions()...)}
}

// client gives streams the form of a Service; everything else is the generated client's own.
type client struct {
	consensusv1connect.ConsensusServiceClient
}

func (c client) RangeStream(
	ctx context.Context, req *consensusv1.RangeStreamRequest, send func(*consensusv1.RangeStreamResponse) error,
) error {
	return drain(ctx, req, c.ConsensusServiceClient.RangeStream, send)
}

func (c client) Tail(
	ctx context.Context, req *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error,
) error {
	return drain(ctx, req, c.ConsensusServiceClient.Tail, send)
}

func (c client) Snapshot(
	ctx context.Context, req *consensusv1.SnapshotRequest, send func(*consensusv1.SnapshotResponse) error,
) error {
	return drain(ctx, req, c.ConsensusServiceClient.Snapshot, send)
}

// drain calls send for each message of a stream, until either ends. The stream is given up when send fails.
func drain[Req, Resp any](
	ctx context.Context, req *Req,
	open func(context.Context, *Req) (*connect.ServerStreamForClient[Resp], error), send func(*Resp) error,
) error {
	// Closing a stream reads what is left of it, to keep the connection; without this an endless one would never close.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx, req)
	if err != nil {
		return err
	}
	for stream.Receive() {
		if err := send(stream.Msg()); err != nil {
			cancel()
			_ = stream.Close() // what it says is that the stream was given up
			return err
		}
	}
	err = stream.Err()
	_ = stream.Close() // the stream has ended, err says how
	return err
}
