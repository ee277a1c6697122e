package interceptor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
)

// Goal: each message of a stream reaches the network in one piece. Method: send some on a client's stream, and look at
// what the transport reads.
func TestMessagesAreWhole(t *testing.T) {
	bodies := make(chan io.ReadCloser, 1)
	client := consensusv1connect.NewConsensusServiceClient(Whole(transport(func(r *http.Request) (*http.Response, error) {
		bodies <- r.Body
		<-r.Context().Done()
		return nil, r.Context().Err()
	})), "http://nowhere.invalid")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(nil))
	body := <-bodies
	sent := make(chan error, 1)
	go func() {
		for range 3 {
			if err := stream.Send(&consensusv1.BatchRequest{Calls: make([]*batchv1.Call, 7)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseRequest()
	}()
	into := make([]byte, 1024)
	for range 3 {
		n, err := body.Read(into)
		require.NoError(t, err)
		require.Equal(t, prefixBytes+int(into[4]), n)
	}
	_, err = body.Read(into)
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, <-sent)
}

// transport is a connect.HTTPClient.
type transport func(*http.Request) (*http.Response, error)

func (t transport) Do(r *http.Request) (*http.Response, error) { return t(r) }

// Goal: nothing of a body is lost or added, whatever the pieces in which it is written and read, also if it breaks off.
// Method: messages of several sizes, cut everywhere, through small and large buffers.
func TestMessagesKeepTheBody(t *testing.T) {
	whole := []byte("\x00\x00\x00\x00\x03abc" + "\x00\x00\x00\x00\x00" + "\x02\x00\x00\x00\x0Adefghijklm")
	broken := errors.New("broken")
	for length := range len(whole) + 1 {
		for _, end := range []error{io.EOF, broken} {
			for _, pieces := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, func(r io.Reader) io.Reader { return r }} {
				for _, size := range []int{1, 4, 7, 64} {
					body := pieces(io.MultiReader(bytes.NewReader(whole[:length]), iotest.ErrReader(end)))
					read := &messages{body: io.NopCloser(body)}
					var got []byte
					var err error
					for into := make([]byte, size); err == nil; {
						var n int
						n, err = read.Read(into)
						got = append(got, into[:n]...)
					}
					require.ErrorIs(t, err, end)
					require.Equal(t, string(whole[:length]), string(got), "cut at %d, read by %d", length, size)
				}
			}
		}
	}
}
