package peer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// rawStream opens a stream by hand with these headers and returns the answer; the connection stays open.
func rawStream(t *testing.T, to *node, header http.Header) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", to.address)
	require.NoError(t, err)
	return conn, rawStreamOver(t, conn, header)
}

// rawStreamOver is rawStream over a connection that is there.
func rawStreamOver(t *testing.T, conn net.Conn, header http.Header) *http.Response {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(eventWait)))
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n", wire.PathStream)
	require.NoError(t, header.Write(&head))
	_, err := io.WriteString(conn, head.String()+"\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	return response
}

// byHand is the list of members for a node that a test talks to by hand, as member a.
func byHand() []*consensusv1.Member { return []*consensusv1.Member{{Id: 0xa}, {Id: 0xb}} }

func hello(from, to uint64) wire.Greeting {
	return wire.Greeting{Cluster: testCluster, From: from, To: to, Protocol: wire.ProtocolVersion, ProtocolMin: wire.ProtocolVersionMin, Server: "by hand"}
}

// Goal: each kind of stranger gets a status and a text that tell what is wrong, and the receiver logs it. Method: one
// greeting for each mistake.
func TestStrangersAreRefused(t *testing.T) {
	b := startNode(t, 0xb, nodeOptions{})
	b.SetRemoved([]uint64{0xdead})
	tests := map[string]struct {
		change func(*wire.Greeting)
		header func(http.Header)
		status int
		text   string
	}{
		"other cluster":     {change: func(g *wire.Greeting) { g.Cluster = 0xc2 }, status: http.StatusPreconditionFailed, text: "member a is of cluster c2 and this one of cluster c1"},
		"other receiver":    {change: func(g *wire.Greeting) { g.To = 0xc }, status: http.StatusMisdirectedRequest, text: "looks for member c and this is member b"},
		"itself":            {change: func(g *wire.Greeting) { g.From = 0xb }, status: http.StatusMisdirectedRequest, text: "talks to itself"},
		"removed":           {change: func(g *wire.Greeting) { g.From = 0xdead }, status: http.StatusGone, text: "was removed"},
		"too new":           {change: func(g *wire.Greeting) { g.Protocol, g.ProtocolMin = 9, 8 }, status: http.StatusPreconditionFailed, text: "speaks versions 8 to 9"},
		"no cluster":        {header: func(h http.Header) { h.Del(wire.HeaderCluster) }, status: http.StatusBadRequest, text: wire.HeaderCluster},
		"garbage for an id": {header: func(h http.Header) { h.Set(wire.HeaderFrom, "xyz") }, status: http.StatusBadRequest, text: "xyz"},
		"no version":        {header: func(h http.Header) { h.Del(wire.HeaderProtocol) }, status: http.StatusBadRequest, text: wire.HeaderProtocol},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := hello(0xa, 0xb)
			if test.change != nil {
				test.change(&g)
			}
			header := http.Header{}
			g.Write(header)
			if test.header != nil {
				test.header(header)
			}
			_, response := rawStream(t, b, header)
			text, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, test.status, response.StatusCode)
			require.NotEmpty(t, response.Header.Get(wire.HeaderRefusal))
			require.Contains(t, string(text), test.text)
			require.Contains(t, b.logged.String(), "a request of a member is refused")
		})
	}
}

// Goal: a newer member and an older one meet at the version that both speak. Method: greet with a higher version that
// goes down to ours.
func TestHighestCommonVersionIsUsed(t *testing.T) {
	b := startNode(t, 0xb, nodeOptions{})
	b.SetPeers(byHand())
	g := hello(0xa, 0xb)
	g.Protocol = wire.ProtocolVersion + 3
	header := http.Header{}
	g.Write(header)
	_, response := rawStream(t, b, header)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, fmt.Sprint(wire.ProtocolVersion), response.Header.Get(wire.HeaderProtocol))
}

// Goal: a stream that carries what is no frame, or what only raft itself may say, ends with the reason on both sides.
// Method: send each by hand.
func TestBadFramesEndTheStream(t *testing.T) {
	b := startNode(t, 0xb, nodeOptions{receiver: func(f *fakeReceiver) {
		f.untrue = errors.New("beyond the end of the log")
	}})
	b.SetPeers(byHand())
	a, c := &node{receiver: newFakeReceiver(0xa)}, &node{receiver: newFakeReceiver(0xc)}
	local := heartbeat(a, b, 1)
	local.From = new(uint64(1<<64 - 2)) // raft's own append thread
	messages := func(m *raftpb.Message) func(*wire.FrameWriter) {
		return func(w *wire.FrameWriter) {
			w.Open(wire.FrameMessages)
			require.NoError(t, w.Message(m))
			w.Close()
		}
	}
	offered := func(m *raftpb.Message) func(*wire.FrameWriter) {
		return func(w *wire.FrameWriter) {
			encoded, err := proto.Marshal(m)
			require.NoError(t, err)
			payload, err := json.Marshal(map[string]any{"id": "x", "message": encoded})
			require.NoError(t, err)
			w.Frame(wire.FrameOffer, payload)
		}
	}
	for name, write := range map[string]func(*wire.FrameWriter){
		"damaged":          func(w *wire.FrameWriter) { w.Frame(wire.FramePing, []byte("x"))[0] ^= 1 },
		"local":            messages(local),
		"not its own":      messages(heartbeat(c, b, 1)), // the panic of a stranger's heartbeat, in the name of a leader
		"not true":         messages(heartbeat(a, b, 1<<40)),
		"another's offer":  offered(msgSnap(c, b, 1)),
		"offer to another": offered(msgSnap(a, c, 1)),
		"not a message":    func(w *wire.FrameWriter) { w.Frame(wire.FrameMessages, []byte{200}) },
		"not an offer":     func(w *wire.FrameWriter) { w.Frame(wire.FrameOffer, []byte("nonsense")) },
		"offer of nothing": func(w *wire.FrameWriter) { w.Frame(wire.FrameOffer, []byte(`{"id":"../x"}`)) },
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			hello(0xa, 0xb).Write(header)
			conn, response := rawStream(t, b, header)
			require.Equal(t, http.StatusOK, response.StatusCode)
			var w wire.FrameWriter
			write(&w)
			_, err := conn.Write(w.Bytes())
			require.NoError(t, err)
			kind, payload, err := (&wire.FrameReader{Source: response.Body}).Next()
			require.NoError(t, err)
			require.Equal(t, wire.FrameRefusal, kind)
			require.Contains(t, string(payload), "bad frame")
		})
	}
	require.Empty(t, b.receiver.messages)
}

// Goal: a member that was removed is told so, and by whom, while the others go on. Method: remove one of three at run
// time, while it has streams to the others.
func TestRemovedMemberIsTold(t *testing.T) {
	a, b, c := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{}), startNode(t, 0xc, nodeOptions{})
	introduce(a, b, c)
	sendUntilReceived(t, c, a, heartbeat(c, a, 1))
	a.SetPeers(listed(a, b))
	b.SetPeers(listed(a, b))
	by := map[uint64]bool{}
	for len(by) < 2 {
		by[await(t, c.receiver.removedBy)] = true
	}
	require.Equal(t, map[uint64]bool{0xa: true, 0xb: true}, by)
	require.Contains(t, c.logged.String(), "member c was removed from the cluster")
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
}
