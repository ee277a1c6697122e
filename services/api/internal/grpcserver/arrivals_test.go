package grpcserver

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/services/api/internal/calls"
	"github.com/quoratedb/quorate/services/api/internal/headers"
)

// caller is a client with one connection, and calls on it.
type caller struct {
	t    *testing.T
	of   *arrivals
	conn net.Conn
	ctx  context.Context
	// headers are those of its calls.
	headers metadata.MD
}

func newCaller(t *testing.T, of *arrivals) *caller {
	t.Helper()
	theirs, ours := net.Pipe()
	t.Cleanup(func() { _, _ = theirs.Close(), ours.Close() })
	return &caller{t: t, of: of, conn: theirs, ctx: peer.NewContext(t.Context(), &peer.Peer{Addr: newAddress(&net.TCPAddr{}, ours)})}
}

// begin begins a call as grpc-go does, with a stream that end ends.
func (c *caller) begin() (ctx context.Context, end context.CancelFunc, err error) {
	stream, end := context.WithCancel(c.ctx)
	c.t.Cleanup(end)
	ctx, err = c.of.come(stream, &tap.Info{Header: c.headers})
	return ctx, end, err
}

func (c *caller) begins(calls int) {
	c.t.Helper()
	for range calls {
		_, _, err := c.begin()
		require.NoError(c.t, err)
	}
}

// cut tells whether the server has closed the connection.
func (c *caller) cut() bool {
	synctest.Wait()
	_ = c.conn.SetReadDeadline(time.Now())
	_, err := c.conn.Read(make([]byte, 1))
	return err == io.EOF
}

// Goal: a call that an interceptor has, or whose stream has ended, makes room. Method: many of each where two may wait.
func TestCallsThatArriveMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals(2, 0)
		client := newCaller(t, a)
		for range 10 {
			ctx, _, err := client.begin()
			require.NoError(t, err)
			a.arrived(context.WithValue(ctx, caller{}.of, "as grpc-go adds to it"))
			a.arrived(ctx) // no more than once
			_, end, err := client.begin()
			require.NoError(t, err)
			end()
		}
		require.False(t, client.cut())
	})
}

// Goal: calls that say nothing cost others no place, on however many connections they are. Method: one connection that takes all places that it gets, and is
// not ended while there are others; then fifty, and another's calls.
func TestSilentCallsLeavePlacesForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals(1000, 0)
		client := newCaller(t, a)
		for _, connections := range []int{1, 49} {
			for range connections {
				silent := newCaller(t, a)
				var err error
				for err == nil {
					_, _, err = silent.begin()
				}
				require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, err)
			}
			for range 10 {
				ctx, _, err := client.begin()
				require.NoError(t, err)
				a.arrived(ctx)
			}
		}
		require.False(t, client.cut())
	})
}

// Goal: where many connections have a call that waits, one more is refused, until one has waited for long. Method: a place each; one more at once and later.
func TestCallsBeyondThoseThatWaitAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals(3, 0)
		first, others, last := newCaller(t, a), newCaller(t, a), newCaller(t, a)
		first.begins(1)
		others.begins(1)
		newCaller(t, a).begins(1)
		_, _, err := last.begin()
		require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, err)
		<-time.After(patience*tick + tick/2)
		last.begins(1)
		require.True(t, first.cut())
		require.False(t, others.cut())
	})
}

// Goal: a message has as long as the body of any other request; whoever is later loses the connection, and nobody else. Method: two calls some seconds apart,
// of which one gets its message in time.
func TestMessageThatDoesNotComeEndsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals(100, 0)
		late, timely := newCaller(t, a), newCaller(t, a)
		late.begins(1)
		<-time.After(5 * time.Second)
		ctx, _, err := timely.begin()
		require.NoError(t, err)
		<-time.After(ingress.BodyTimeout - 6*time.Second)
		require.False(t, late.cut())
		a.arrived(ctx)
		<-time.After(3 * tick)
		require.True(t, late.cut())
		<-time.After(2 * ingress.BodyTimeout)
		require.False(t, timely.cut())
	})
}

// Goal: the connection by which the calls of all JSON clients come is ended for nobody. Method: it has most of the places, and others take the rest.
func TestThePipeOfJSONClientsStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals(100, 0)
		pipe := newCaller(t, a)
		client, _ := peer.FromContext(pipe.ctx)
		of := client.Addr.(*address)
		client.Addr = newAddress(&net.UnixAddr{Net: calls.PipeNetwork}, of.conn)
		pipe.begins(50)
		for range 50 {
			newCaller(t, a).begins(1)
		}
		_, _, err := newCaller(t, a).begin()
		require.Equal(t, rpctypes.ErrGRPCRequestTooManyRequests, err)
		require.False(t, pipe.cut())
	})
}

// Goal: what takes places by connection finds that of a call in its context. Method: the context of a call that has come.
func TestCallsKnowTheirConnection(t *testing.T) {
	client := newCaller(t, newArrivals(2, 0))
	ctx, _, err := client.begin()
	require.NoError(t, err)
	known, _ := peer.FromContext(client.ctx)
	require.Same(t, &known.Addr.(*address).places.Streams, budget.StreamsOf(ctx))
}

// Goal: what a call's client said is known without a copy, beside what grpc-go knows. Method: the context of a call that has come, with headers and without.
func TestCallsKnowTheirHeaders(t *testing.T) {
	client := newCaller(t, newArrivals(2, 0))
	client.ctx = metadata.NewIncomingContext(client.ctx, metadata.Pairs("token", "of grpc-go"))
	for _, c := range []struct {
		headers metadata.MD
		token   string
	}{{nil, "of grpc-go"}, {metadata.Pairs("token", "t"), "t"}} {
		client.headers = c.headers
		ctx, _, err := client.begin()
		require.NoError(t, err)
		require.Equal(t, []string{c.token}, headers.Of(ctx).Values("token"))
		client.of.arrived(ctx)
	}
}

// Goal: streams that end before their message comes are not kept. Method: very many of them, beside one that waits.
func TestEndedCallsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals(1<<20, 0)
		client := newCaller(t, a)
		client.begins(1)
		for range 10 * sweepMin {
			_, end, err := client.begin()
			require.NoError(t, err)
			end()
			require.LessOrEqual(t, a.mu.count, sweepMin+1)
		}
	})
}
