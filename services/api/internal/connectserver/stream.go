package connectserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/services/api/internal/calls"
	"github.com/quoratedb/quorate/services/api/internal/wire"
)

// serverStream runs a gRPC method that answers with a stream.
func serverStream[Req, Res any](
	ctx context.Context, watched *calls.Calls, request *Req, stream *connect.ServerStream[Res],
	handle func(*Req, grpc.ServerStreamingServer[Res]) error,
) error {
	method := watched.Method(stream.Conn().Spec().Procedure)
	inner := &grpcStream{ctx: ctx, conn: stream.Conn(), response: newOf[Res]}
	inner.writeDeadline, _ = ctx.Value(writeDeadlineKey{}).(func(time.Time))
	return toConnect(watched.RunStream(method, inner, func(counted grpc.ServerStream) error {
		if err := calls.Took(counted, request); err != nil {
			return err
		}
		return handle(request, &grpc.GenericServerStream[Req, Res]{ServerStream: counted})
	}))
}

// bidiStream runs a gRPC method that streams both ways.
func bidiStream[Req, Res any](
	ctx context.Context, watched *calls.Calls, stream *connect.BidiStream[Req, Res],
	handle func(grpc.BidiStreamingServer[Req, Res]) error,
) error {
	inner := &grpcStream{ctx: ctx, conn: stream.Conn(), response: newOf[Res]}
	defer inner.endReceiving()
	return toConnect(watched.RunStream(watched.Method(stream.Conn().Spec().Procedure), inner, func(counted grpc.ServerStream) error {
		// A method that waits for its client learns in this way that the server stops.
		defer context.AfterFunc(counted.Context(), inner.stopReading)()
		return handle(&grpc.GenericServerStream[Req, Res]{ServerStream: counted})
	}))
}

func newOf[T any]() any { return new(T) }

// stopReadingKey is the context's key of a func() that makes all reads of the request's body fail.
type stopReadingKey struct{}

// writeDeadlineKey is the context's key of a func(time.Time) that sets when writing fails, the zero time for never.
type writeDeadlineKey struct{}

// grpcStream makes a Connect stream look like one of grpc-go's.
//
// There is one difference that matters: with grpc-go a method may return while a goroutine of its own still waits in
// RecvMsg, which then fails. Connect's stream must not be used any more once the handler has returned. So the adapter
// stops the reading and waits for it before it returns.
type grpcStream struct {
	ctx      context.Context
	conn     connect.StreamingHandlerConn
	response func() any
	// receiving is held while a message is received, and for good once that has ended.
	receiving sync.Mutex
	ended     bool
	// reading says whether reads can still be stopped: whatever stops them must not touch the request once its handler has returned.
	reading struct {
		sync.Mutex
		over bool
	}
	// writeDeadline is set for streams that go one way: their clients must not take nothing for calls.TransferIdleMax.
	writeDeadline func(time.Time)
}

var _ grpc.ServerStream = (*grpcStream)(nil)

func (s *grpcStream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream. Its errors are gRPC's, or io.EOF.
func (s *grpcStream) RecvMsg(message any) error {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	if s.ended {
		return status.Error(codes.Canceled, "the stream has ended")
	}
	return fromConnect(s.conn.Receive(message))
}

// stopReading makes RecvMsg fail, now and later. It does nothing once endReceiving has returned.
func (s *grpcStream) stopReading() {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.reading.over {
		return
	}
	if stop, ok := s.ctx.Value(stopReadingKey{}).(func()); ok {
		stop()
	}
}

// endReceiving makes RecvMsg fail and returns when nobody is in it.
func (s *grpcStream) endReceiving() {
	s.stopReading()
	s.reading.Lock()
	s.reading.over = true
	s.reading.Unlock()
	s.receiving.Lock()
	defer s.receiving.Unlock()
	s.ended = true
}

// SendMsg implements grpc.ServerStream. What was encoded for grpc-go is decoded again: JSON needs the message itself,
// and who is served here is not in a hurry.
func (s *grpcStream) SendMsg(message any) error {
	if encoded, ok := message.(*wire.Encoded); ok {
		decoded := s.response()
		if err := decode(encoded, decoded.(proto.Message)); err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		message = decoded
	}
	if s.writeDeadline != nil {
		s.writeDeadline(time.Now().Add(calls.TransferIdleMax))
		defer s.writeDeadline(time.Time{})
	}
	return fromConnect(s.conn.Send(message))
}

func decode(encoded *wire.Encoded, message proto.Message) error {
	return proto.Unmarshal(slices.Concat(encoded.Head, encoded.Shared), message)
}

// SetHeader implements grpc.ServerStream.
func (s *grpcStream) SetHeader(headers metadata.MD) error {
	merge(s.conn.ResponseHeader(), headers)
	return nil
}

// SendHeader implements grpc.ServerStream.
func (s *grpcStream) SendHeader(headers metadata.MD) error {
	merge(s.conn.ResponseHeader(), headers)
	return fromConnect(s.conn.Send(nil))
}

// SetTrailer implements grpc.ServerStream.
func (s *grpcStream) SetTrailer(trailers metadata.MD) { merge(s.conn.ResponseTrailer(), trailers) }

func merge(into map[string][]string, headers metadata.MD) {
	for name, values := range headers {
		for _, value := range values {
			http.Header(into).Add(name, value)
		}
	}
}

// toConnect keeps a gRPC status's code, message and details. The codes have the same numbers.
func toConnect(err error) error {
	var already *connect.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	translated := connect.NewError(connect.Code(s.Code()), errors.New(s.Message()))
	for _, packed := range s.Proto().GetDetails() {
		if detail, err := connect.NewErrorDetail(packed); err == nil {
			translated.AddDetail(detail)
		}
	}
	return translated
}

// fromConnect is the way back, for what a stream's own reads and writes report.
func fromConnect(err error) error {
	var known *connect.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.As(err, &known):
		return status.Error(codes.Code(known.Code()), known.Message())
	}
	return status.FromContextError(err).Err()
}
