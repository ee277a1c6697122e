package interceptor

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
)

// Every sentinel must survive the wire, in a unary answer, at the end of a stream that sent something and of one that
// did not, in each of Connect's protocols. A service that refuses everything.
func TestSentinelsOnTheWire(t *testing.T) {
	for name, option := range map[string]connect.ClientOption{
		"connect": connect.WithClientOptions(), "grpc": connect.WithGRPC(), "grpc-web": connect.WithGRPCWeb(),
	} {
		t.Run(name, func(t *testing.T) {
			refuser := &refuser{}
			client := serve(t, refuser, option)
			for _, r := range wireErrors {
				refuser.err = fmt.Errorf("in the service: %w", r.sentinel)
				_, err := client.Propose(t.Context(), put("k"))
				require.ErrorIs(t, err, r.sentinel)
				require.EqualError(t, err, refuser.err.Error())
				for refuser.sends = range 3 {
					got, err := tail(t.Context(), client)
					require.ErrorIs(t, err, r.sentinel)
					require.Equal(t, refuser.sends, got)
				}
			}
		})
	}
}

// What breaks the rules in proto/ must be refused before the service sees it. Send a command without a key.
func TestInvalidMessagesAreRefused(t *testing.T) {
	client := serve(t, &refuser{})
	for _, req := range []*consensusv1.ProposeRequest{{}, {Command: &consensusv1.Command{}}, put("")} {
		_, err := client.Propose(t.Context(), req)
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), err)
	}
	stream, err := client.Tail(t.Context(), &consensusv1.TailRequest{})
	require.NoError(t, err)
	require.False(t, stream.Receive())
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(stream.Err()), stream.Err())
}

// The end of the caller's context must be told apart from a refusal, wherever it shows first. Cancel before a call.
func TestCallersContext(t *testing.T) {
	client := serve(t, &refuser{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Propose(ctx, put("k"))
	require.ErrorIs(t, err, context.Canceled)
}

// A message beyond the bound must be refused. Propose a value of that size.
func TestOversizedMessageIsRefused(t *testing.T) {
	client := serve(t, &refuser{})
	_, err := client.Propose(t.Context(), put(strings.Repeat("k", requestBytesMax)))
	require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err), err)
}

func put(key string) *consensusv1.ProposeRequest {
	return &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key)}},
	}}
}

// tail counts the messages of a stream before its error.
func tail(ctx context.Context, client consensusv1connect.ConsensusServiceClient) (int, error) {
	stream, err := client.Tail(ctx, &consensusv1.TailRequest{FromRevision: 1})
	if err != nil {
		return 0, err
	}
	n := 0
	for stream.Receive() {
		n++
	}
	return n, stream.Err()
}

// refuser fails every call, its streams after some messages.
type refuser struct {
	consensusv1connect.UnimplementedConsensusServiceHandler
	err   error
	sends int
}

func (r *refuser) Propose(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	return nil, r.err
}

func (r *refuser) Tail(_ context.Context, _ *consensusv1.TailRequest, out *connect.ServerStream[consensusv1.TailResponse]) error {
	for range r.sends {
		if err := out.Send(&consensusv1.TailResponse{}); err != nil {
			return err
		}
	}
	return r.err
}

func serve(t *testing.T, r *refuser, options ...connect.ClientOption) consensusv1connect.ConsensusServiceClient {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(consensusv1connect.NewConsensusServiceHandler(r, HandlerOptions(validation.Check)...))
	server := httptest.NewUnstartedServer(mux)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return consensusv1connect.NewConsensusServiceClient(server.Client(), server.URL, append(ClientOptions(), options...)...)
}
