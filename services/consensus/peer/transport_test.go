package peer

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: messages arrive whole and, within urgent and bulky ones, in the order they were sent, both ways. Method: two
// transports over loopback, some thousand messages of both kinds in batches of changing size.
func TestMessagesArriveInOrder(t *testing.T) {
	a, b := pair(t)
	sendUntilReceived(t, a, b, heartbeat(a, b, 0)) // what is sent while there is no stream may be dropped
	sendUntilReceived(t, b, a, heartbeat(b, a, 0))
	const total = 3000
	for _, way := range [][2]*node{{a, b}, {b, a}} {
		from, to := way[0], way[1]
		sent := map[raftpb.MessageType][]*raftpb.Message{}
		var batch []*raftpb.Message
		for i := range uint64(total) {
			m := heartbeat(from, to, i)
			if i%3 == 0 {
				m = appended(from, to, i, int(i%7)*1000)
			}
			sent[m.GetType()] = append(sent[m.GetType()], m)
			batch = append(batch, m)
			if uint64(len(batch)) > i%50 {
				from.Send(batch)
				batch = nil
			}
		}
		from.Send(batch)
		for range total {
			m := await(t, to.receiver.messages)
			for proto.Equal(m, heartbeat(from, to, 0)) {
				m = await(t, to.receiver.messages) // a copy of the first, sent before it had arrived
			}
			want := sent[m.GetType()][0]
			sent[m.GetType()] = sent[m.GetType()][1:]
			require.True(t, proto.Equal(want, m), "got %v instead of %v", m, want)
		}
	}
	_, active := a.ActiveSince(b.receiver.id)
	require.True(t, active)
	_, active = a.ActiveSince(0xdead)
	require.False(t, active)
}

// stuckPeer accepts every stream and then neither reads nor writes. It returns its URL.
func stuckPeer(t *testing.T, id uint64) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	var conns []net.Conn
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
	return "http://" + listener.Addr().String()
}

// Goal: a peer that takes nothing costs drops, is reported, and holds up neither the sender nor the other peers. Method:
// send appends to one that never reads until one is dropped, with a message to a healthy peer in each batch.
func TestStuckPeerBlocksNobody(t *testing.T) {
	a, b := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{})
	members := append(listed(a, b), &consensusv1.Member{Id: 0xc, PeerUrls: []string{stuckPeer(t, 0xc)}})
	a.SetPeers(members)
	b.SetPeers(members)
	c := &node{receiver: newFakeReceiver(0xc)}
	toStuck := appended(a, c, 1, 8<<20)
	var index uint64
	for reported := false; !reported; {
		index++
		a.Send([]*raftpb.Message{toStuck, heartbeat(a, b, index)})
		select {
		case id := <-a.receiver.unreachable:
			reported = id == 0xc
		case m := <-b.receiver.messages:
			require.Equal(t, raftpb.MsgHeartbeat, m.GetType())
		}
	}
	sendUntilReceived(t, a, b, heartbeat(a, b, index+1))
}

// Goal: a half-open connection is noticed from either end. Method: a peer that accepts and is silent; a sender that says
// hello and is silent.
func TestSilenceEndsAStream(t *testing.T) {
	a := startNode(t, 0xa, nodeOptions{config: shortSilence})
	a.SetPeers([]*consensusv1.Member{{Id: 0xc, PeerUrls: []string{stuckPeer(t, 0xc)}}})
	require.Equal(t, uint64(0xc), await(t, a.receiver.unreachable))
	require.Contains(t, a.logged.String(), "no sign of life")

	a.SetPeers([]*consensusv1.Member{{Id: 0xb}})
	header := http.Header{}
	hello(0xb, 0xa).Write(header)
	_, response := rawStream(t, a, header)
	require.Equal(t, http.StatusOK, response.StatusCode)
	_, err := io.ReadAll(response.Body)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the stream was not ended")
}

// Goal: a peer that comes back is found again, in both directions, and ActiveSince tells. Method: restart its listener on
// the same port; then its whole transport.
func TestReconnectsToAPeerThatComesBack(t *testing.T) {
	a, b := pair(t)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	before, active := a.ActiveSince(0xb)
	require.True(t, active)
	b.close()
	require.Equal(t, uint64(0xb), await(t, a.receiver.unreachable))
	b.serve(b.bind(b.address))
	sendUntilReceived(t, a, b, heartbeat(a, b, 2))
	after, active := a.ActiveSince(0xb)
	require.True(t, active)
	require.True(t, after.After(before))

	address := b.address
	b.halt()
	b.close()
	b = startNode(t, 0xb, nodeOptions{address: address})
	introduce(a, b)
	sendUntilReceived(t, a, b, heartbeat(a, b, 3))
	sendUntilReceived(t, b, a, heartbeat(b, a, 4))
}

// Goal: a peer that was there all the time is not called unhealthy because the way back to it came up a moment later
// ("etcdserver: unhealthy cluster" five seconds after a start). Method: a peer comes in before this member has a stream to it.
func TestPeerIsActiveSinceItsFirstStream(t *testing.T) {
	a, b := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{})
	away := listed(a, b)
	away[1].PeerUrls = []string{"https://" + b.address} // b does not speak TLS
	a.SetPeers(away)
	b.SetPeers(listed(a, b))
	awaitTrue(t, func() bool { _, connected := a.inboundSince(0xb); return connected })
	a.SetPeers(listed(a, b))
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	in, connected := a.inboundSince(0xb)
	require.True(t, connected)
	since, active := a.ActiveSince(0xb)
	require.True(t, active)
	require.Equal(t, in, since)
}

// Goal: a member that serves has tried to reach its peers, and waits for none that does not answer. Method: one peer that is there,
// one that refuses, and one that takes a connection and says nothing.
func TestPeersAreAwaited(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	a, b := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{})
	dead := &consensusv1.Member{Id: 0xdead, PeerUrls: []string{"http://127.0.0.1:1"}}
	b.SetPeers(listed(a, b))
	a.SetPeers(append(listed(a, b), dead))
	a.AwaitPeers(t.Context())
	_, active := a.ActiveSince(0xb)
	require.True(t, active)

	a.SetPeers(append(listed(a, b), &consensusv1.Member{Id: 0x51, PeerUrls: []string{"http://" + silent.Addr().String()}}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.AwaitPeers(ctx)
}

// Goal: a member with several URLs is reached by whichever works, and a change of URLs takes effect. Method: a dead URL
// before the good one; then a move to another port.
func TestURLsAreTriedInTurnAndMayChange(t *testing.T) {
	a, b := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{})
	member := func(urls ...string) []*consensusv1.Member { return []*consensusv1.Member{{Id: 0xb, PeerUrls: urls}} }
	b.SetPeers(listed(a))
	a.SetPeers(member("http://127.0.0.1:1", b.url()))
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	url, known := a.URL(0xb)
	require.True(t, known)
	require.Equal(t, b.url(), url)

	b.close()
	b.serve(b.bind(""))
	a.SetPeers(member(b.url()))
	sendUntilReceived(t, a, b, heartbeat(a, b, 2))

	a.SetPeers(nil)
	_, known = a.URL(0xb)
	require.False(t, known)
	_, known = a.ActiveSince(0xb)
	require.False(t, known)
}

// Goal: what was queued when a member stops still arrives: it may be the message that hands leadership over. Method: stop
// right after sending.
func TestStopDeliversWhatIsQueued(t *testing.T) {
	a, b := pairOf(t, nodeOptions{flush: patience})
	sendUntilReceived(t, a, b, heartbeat(a, b, 0))
	var batch []*raftpb.Message
	for i := range uint64(200) {
		batch = append(batch, appended(a, b, i+1, 10_000))
	}
	a.Send(batch)
	a.halt()
	for next := uint64(1); next <= 200; {
		if m := await(t, b.receiver.messages); m.GetType() == raftpb.MsgApp {
			require.Equal(t, next, m.GetIndex())
			next++
		}
	}
	require.NotContains(t, b.logged.String(), "broke")
	a.Send(batch) // must not wait, nor panic
}

// Goal: a receiver that waits in Step is not flooded: the sender's queue fills, not the receiver's memory. Method: hold
// Step and count how much the transport has read by then.
func TestStepHoldsTheStreamBack(t *testing.T) {
	hold := make(chan struct{})
	steps := make(chan *raftpb.Message, 1<<10)
	a := startNode(t, 0xa, nodeOptions{})
	b := startNode(t, 0xb, nodeOptions{receiver: func(f *fakeReceiver) {
		f.step = func(m *raftpb.Message) {
			steps <- m
			<-hold
		}
	}})
	introduce(a, b)
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	for index := uint64(1); len(steps) == 0; index++ {
		a.Send([]*raftpb.Message{appended(a, b, index, 1<<20)})
	}
	for range 64 {
		a.Send([]*raftpb.Message{appended(a, b, 1, 1<<20)})
	}
	require.Len(t, steps, 1)
	release()
	await(t, steps)
	await(t, steps)
}

// Goal: one registry serves one transport after the other, and shows who is reached. Method: two in turn, and a second
// Run, which is refused.
func TestMetricsComeAndGo(t *testing.T) {
	registry := prometheus.NewRegistry()
	config := func(c *Config) { c.Registerer = registry }
	b := startNode(t, 0xb, nodeOptions{})
	for round := range uint64(2) {
		a := startNode(t, 0xa, nodeOptions{config: config})
		introduce(a, b)
		sendUntilReceived(t, a, b, heartbeat(a, b, round)) // a late copy of the first round's would say nothing of this one's stream
		families, err := registry.Gather()
		require.NoError(t, err)
		active := false
		for _, family := range families {
			if family.GetName() == "etcd_network_active_peers" {
				active = family.GetMetric()[0].GetGauge().GetValue() == 1
			}
		}
		require.True(t, active)
		a.halt()
		a.close()
		families, err = registry.Gather()
		require.NoError(t, err)
		require.Empty(t, families)
		require.Error(t, a.Run(t.Context(), a.receiver, nil))
	}
}

// awaitTrue waits until a condition that nothing announces holds.
func awaitTrue(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, eventWait, 5*time.Millisecond)
}
