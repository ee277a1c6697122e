package tcpgateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listen returns a listener on loopback, and its address.
func listen(t *testing.T, address string) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().String()
}

// answering is a member that reads all there is and then says its name. It returns its address, and how to stop it.
func answering(t *testing.T, address, name string) (at string, stop func()) {
	t.Helper()
	l, at := listen(t, address)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				said, _ := io.ReadAll(conn)
				_, _ = conn.Write(append([]byte(name+" "), said...))
			}()
		}
	}()
	return at, func() { _ = l.Close(); <-done }
}

// start runs a gateway to the targets, and returns where it listens and what ends it.
func start(t *testing.T, connectionsMax int, retryDelay time.Duration, targets ...Target) (at string, stop func()) {
	t.Helper()
	l, at := listen(t, "127.0.0.1:0")
	g := New(Config{Listener: l, Targets: targets, RetryDelay: retryDelay, ConnectionsMax: connectionsMax, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return at, stop
}

// say has a client say something, and nothing after it, and returns the answer.
func say(t *testing.T, at, what string) string {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(what))
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(answer)
}

// Goal: what either side says arrives whole, also after the other one has said all it has to. Method: a member that answers once its client has
// closed its half; a megabyte.
func TestBytesGoThrough(t *testing.T) {
	member, _ := answering(t, "127.0.0.1:0", "one")
	at, _ := start(t, 8, time.Hour, Target{Address: member})
	long := string(make([]byte, 1<<20))
	require.Equal(t, "one hello", say(t, at, "hello"))
	require.Equal(t, "one "+long, say(t, at, long))
}

// Goal: members take turns; one that cannot be reached is passed over, and takes part again once it can. Method: two members, of which one stops and
// comes back; while all are away connections end, and the first that is back is found without waiting for the next try.
func TestMemberThatIsAwayIsPassedOver(t *testing.T) {
	one, stopOne := answering(t, "127.0.0.1:0", "one")
	two, stopTwo := answering(t, "127.0.0.1:0", "two")
	at, _ := start(t, 8, 10*time.Millisecond, Target{Address: one}, Target{Address: two})
	both := func() map[string]int {
		heard := map[string]int{}
		for range 10 {
			heard[say(t, at, "")]++
		}
		return heard
	}
	require.Equal(t, map[string]int{"one ": 5, "two ": 5}, both())
	stopOne()
	require.Equal(t, map[string]int{"two ": 10}, both())
	answering(t, one, "one")
	require.Eventually(t, func() bool { return both()["one "] == 5 }, 10*time.Second, time.Millisecond)
	stopTwo()
	require.Equal(t, map[string]int{"one ": 10}, both())
}

// Goal: a stop ends connections that are open, and a listener that is closed ends the gateway. Method: a client that says nothing.
func TestStopEndsConnections(t *testing.T) {
	member, _ := answering(t, "127.0.0.1:0", "one")
	at, stop := start(t, 8, time.Hour, Target{Address: member})
	conn, err := net.Dial("tcp", at)
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, "one ", say(t, at, "")) // by then the first one was accepted
	stop()
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)

	l, _ := listen(t, "127.0.0.1:0")
	require.NoError(t, l.Close())
	require.ErrorIs(t, New(Config{Listener: l, Targets: []Target{{Address: member}}, RetryDelay: time.Hour, ConnectionsMax: 1}).Run(t.Context()), net.ErrClosed)
}

// Goal: however many clients come, so many are connected at once, and the others come after them. Method: one place, taken by a client that
// leaves later.
func TestConnectionsAreBounded(t *testing.T) {
	member, _ := answering(t, "127.0.0.1:0", "one")
	at, _ := start(t, 1, time.Hour, Target{Address: member})
	first, err := net.Dial("tcp", at)
	require.NoError(t, err)
	second := make(chan string, 1)
	go func() { second <- say(t, at, "second") }()
	require.Never(t, func() bool { return len(second) > 0 }, 50*time.Millisecond, 10*time.Millisecond)
	require.NoError(t, first.Close())
	require.Equal(t, "one second", <-second)
}

// Goal: SRV records' priorities and weights count as RFC 2782 says. Method: many orders of five targets, one of them away.
func TestOrderFollowsPrioritiesAndWeights(t *testing.T) {
	p := newPool([]Target{
		{"heavy:1", 1, 30, false},
		{"light:1", 1, 10, false},
		{"weightless:1", 1, 0, false},
		{"spare:1", 2, 50, false},
		{"away:1", 0, 1, false},
	})
	require.True(t, p.mark(p.targets[4], true))
	require.False(t, p.mark(p.targets[4], true))
	first := map[string]int{}
	const orders = 4000
	for range orders {
		order := p.order()
		require.Len(t, order, 5)
		first[order[0].Address]++
		require.Equal(t, "weightless:1", order[2].Address)
		require.Equal(t, "spare:1", order[3].Address)
		require.Equal(t, "away:1", order[4].Address)
	}
	require.InDelta(t, orders*3/4, first["heavy:1"], orders/20)
	require.Equal(t, orders, first["heavy:1"]+first["light:1"])
}
