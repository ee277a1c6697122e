package front_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/quoratedb/quorate/deploy/stack/front"
)

// connectionsMax is more than tests need.
const connectionsMax = 100

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a fake that tells its address to whoever connects, then echoes, and says of itself what a test sets.
type node struct {
	address  netip.Addr
	status   atomic.Int64 // of GET /readyz; 0 is silence
	asked    atomic.Int64
	listener *net.TCPListener
}

// listen opens a port of one address, port 0 a free one.
func listen(t *testing.T, address netip.Addr, port int) *net.TCPListener {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: address.AsSlice(), Port: port})
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener
}

func port(listener *net.TCPListener) int { return listener.Addr().(*net.TCPAddr).Port }

func newNode(t *testing.T, address string, servePort, readyPort int) (n *node, serve, readiness int) {
	t.Helper()
	n = &node{address: netip.MustParseAddr(address)}
	n.status.Store(http.StatusOK)
	n.listener = listen(t, n.address, servePort)
	go func() {
		for {
			conn, err := n.listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := io.WriteString(conn, address+"\n"); err == nil {
					_, _ = io.Copy(conn, conn)
				}
			}()
		}
	}()
	readyListener := listen(t, n.address, readyPort)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.asked.Add(1)
		if status := int(n.status.Load()); status != 0 {
			w.WriteHeader(status)
			return
		}
		<-r.Context().Done()
	})}
	go func() { _ = server.Serve(readyListener) }()
	t.Cleanup(func() { server.Close() })
	return n, port(n.listener), port(readyListener)
}

// stand is a running front before two nodes.
type stand struct {
	t       *testing.T
	front   *front.Front
	one     *node
	two     *node
	listed  atomic.Pointer[[]netip.Addr]
	address string
}

func start(t *testing.T) *stand {
	t.Helper()
	s := &stand{t: t}
	one, serve, readiness := newNode(t, "127.0.0.1", 0, 0)
	two, _, _ := newNode(t, "127.0.0.2", serve, readiness)
	s.one, s.two = one, two
	s.list(one, two)
	listener := listen(t, netip.MustParseAddr("127.0.0.3"), 0)
	s.address = listener.Addr().String()
	f, err := front.New(front.Config{
		Host: "nodes.test", Listeners: map[int]front.Listener{serve: listener}, ReadyPort: readiness, ConnectionsMax: connectionsMax,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			listed := s.listed.Load()
			if listed == nil {
				return nil, errors.New("the resolver is away")
			}
			return *listed, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	s.front = f
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return s
}

func (s *stand) list(nodes ...*node) {
	var addresses []netip.Addr
	for _, n := range nodes {
		addresses = append(addresses, n.address)
	}
	s.listed.Store(&addresses)
}

// connect returns a connection through the front and the node that it leads to, none if it was turned away.
func (s *stand) connect() (net.Conn, string) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	name := make([]byte, len("127.0.0.1\n"))
	if _, err := io.ReadFull(conn, name); err != nil {
		return conn, ""
	}
	return conn, strings.TrimSpace(string(name))
}

// eventually waits until new connections lead to one node alone, or with "" to none.
func (s *stand) eventually(want ...string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		found := map[string]bool{}
		for range 4 {
			conn, name := s.connect()
			defer conn.Close()
			found[name] = true
		}
		assert.Len(c, found, len(want))
		for _, name := range want {
			assert.Contains(c, found, name)
		}
	}, 30*time.Second, 50*time.Millisecond)
}

func echo(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.WriteString(conn, "hello")
	require.NoError(t, err)
	heard := make([]byte, 5)
	_, err = io.ReadFull(conn, heard)
	require.NoError(t, err)
	require.Equal(t, "hello", string(heard))
}

// Goal: connections are spread over the nodes, carry both directions, and one side may say its last before the other.
// Method: several connections at once; one that closes its writing half and then reads on.
func TestConnectionsAreSpread(t *testing.T) {
	s := start(t)
	s.eventually("127.0.0.1", "127.0.0.2")
	require.Eventually(t, s.front.Usable, 30*time.Second, 10*time.Millisecond) // connections are passed on before the first look, too
	conn, _ := s.connect()
	_, err := io.WriteString(conn, "last words")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	rest, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "last words", string(rest))
}

// Goal: a node that no longer answers, or is not ready while another is, gets no connections, and those it has end; once it is back, it
// gets some again. Method: have one fall silent, or say so, while a connection to it is open.
func TestUnfitNodesAreLeft(t *testing.T) {
	for name, status := range map[string]int64{"silent": 0, "not ready": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.eventually("127.0.0.1", "127.0.0.2")
			var held net.Conn
			for held == nil {
				if conn, name := s.connect(); name == "127.0.0.1" {
					held = conn
				}
			}
			echo(t, held)
			s.one.status.Store(status)
			s.eventually("127.0.0.2")
			_, err := io.ReadAll(held)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
			s.one.status.Store(http.StatusOK)
			s.eventually("127.0.0.1", "127.0.0.2")
		})
	}
}

// Goal: when no node is ready, as without a quorum, clients still reach nodes that are alive, which tell them why, and keep what they have.
// Method: all nodes say that they are not ready, for longer than it takes to leave a node.
func TestWithoutReadyNodesThoseAliveServe(t *testing.T) {
	s := start(t)
	s.eventually("127.0.0.1", "127.0.0.2")
	held, _ := s.connect()
	echo(t, held)
	s.one.status.Store(http.StatusServiceUnavailable)
	s.two.status.Store(http.StatusServiceUnavailable)
	const looks = 6 // more than it takes to leave a node
	enough := s.one.asked.Load() + looks
	require.Eventually(t, func() bool { return s.one.asked.Load() > enough }, time.Minute, 50*time.Millisecond)
	echo(t, held)
	s.eventually("127.0.0.1", "127.0.0.2")
}

// Goal: when no node answers, as on a host that is overloaded or stood still, clients keep what they have, since there is nowhere else to go; they are sent
// away as soon as another node answers. Method: all nodes fall silent, and the resolver with them, for longer than it takes to leave a node, and one comes back.
func TestWithoutNodesThatAnswerConnectionsStay(t *testing.T) {
	s := start(t)
	s.eventually("127.0.0.1", "127.0.0.2")
	held := map[string]net.Conn{}
	for len(held) < 2 {
		conn, name := s.connect()
		held[name] = conn
	}
	s.listed.Store(nil)
	s.one.status.Store(0)
	s.two.status.Store(0)
	const looks = 6 // more than it takes to leave a node
	enough := s.one.asked.Load() + looks
	require.Eventually(t, func() bool { return s.one.asked.Load() > enough }, time.Minute, 50*time.Millisecond)
	require.False(t, s.front.Usable())
	echo(t, held["127.0.0.1"])
	echo(t, held["127.0.0.2"])
	s.two.status.Store(http.StatusOK)
	_, err := io.ReadAll(held["127.0.0.1"])
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	echo(t, held["127.0.0.2"])
}

// Goal: nodes come and go by their addresses. Method: list one only, stop the other, and list it again.
func TestNodesComeAndGo(t *testing.T) {
	s := start(t)
	s.eventually("127.0.0.1", "127.0.0.2")
	s.list(s.one)
	s.two.status.Store(0)
	s.eventually("127.0.0.1")
	s.two.status.Store(http.StatusOK)
	s.list(s.one, s.two)
	s.eventually("127.0.0.1", "127.0.0.2")
}

// Goal: a client whose connection leads nowhere is told so. Method: stop what all nodes serve with.
func TestClientsAreTurnedAwayWithoutNodes(t *testing.T) {
	s := start(t)
	s.one.listener.Close()
	s.two.listener.Close()
	s.eventually("")
}

// Goal: what cannot work is refused. Method: nothing is set.
func TestValidate(t *testing.T) {
	_, err := front.New(front.Config{})
	for _, want := range []string{"no host", "no port to pass on", "0 is no port", "no resolver"} {
		require.ErrorContains(t, err, want)
	}
}
