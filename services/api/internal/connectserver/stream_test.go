package connectserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Goal: an error keeps its code, message and details between gRPC and Connect. Method: a table, there and back.
func TestErrors(t *testing.T) {
	detailed, err := status.New(codes.NotFound, "gone").WithDetails(&etcdserverpb.LeaseStatus{ID: 7})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		err     error
		code    connect.Code
		message string
	}{
		"status":           {status.Error(codes.OutOfRange, "compacted"), connect.CodeOutOfRange, "compacted"},
		"status, detailed": {detailed.Err(), connect.CodeNotFound, "gone"},
		"context":          {context.Canceled, connect.CodeCanceled, "context canceled"},
		"wrapped context":  {fmt.Errorf("reading: %w", context.DeadlineExceeded), connect.CodeDeadlineExceeded, "reading: context deadline exceeded"},
		"unknown":          {errors.New("plain"), connect.CodeUnknown, "plain"},
		"Connect's own":    {connect.NewError(connect.CodeAborted, errors.New("again")), connect.CodeAborted, "again"},
	} {
		t.Run(name, func(t *testing.T) {
			var got *connect.Error
			require.ErrorAs(t, toConnect(c.err), &got)
			require.Equal(t, c.code, got.Code())
			require.Equal(t, c.message, got.Message())
			back := status.Convert(fromConnect(got))
			require.Equal(t, codes.Code(c.code), back.Code())
			require.Equal(t, c.message, back.Message())
		})
	}
	var got *connect.Error
	require.ErrorAs(t, toConnect(detailed.Err()), &got)
	require.Len(t, got.Details(), 1)
	detail, err := got.Details()[0].Value()
	require.NoError(t, err)
	require.True(t, proto.Equal(&etcdserverpb.LeaseStatus{ID: 7}, detail))

	require.NoError(t, toConnect(nil))
	require.NoError(t, fromConnect(nil))
	require.Equal(t, io.EOF, fromConnect(fmt.Errorf("receive: %w", io.EOF)))
}

// A client that gives up a stream both ways as its handler returns took the process with it: reading was stopped on a request that
// net/http had let go of. Method: stop reading before and after the stream has ended.
func TestReadingIsNotStoppedAfterTheHandler(t *testing.T) {
	stopped := 0
	ctx := context.WithValue(t.Context(), stopReadingKey{}, func() { stopped++ })
	stream := &grpcStream{ctx: ctx}
	stream.stopReading()
	stream.endReceiving()
	require.Equal(t, 2, stopped)
	stream.stopReading()
	require.Equal(t, 2, stopped, "the request is not ours any more")
}
