package peer

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// Goal: whoever knows the cluster's id, which everybody is told, is served nothing but the list of members, and what is
// kept about strangers does not grow with their number (a series of metrics and a line of log for each id). Method: many
// ids, at the stream, a snapshot and what is mounted.
func TestStrangersAreServedTheMembersOnly(t *testing.T) {
	registry := prometheus.NewRegistry()
	a, b := startNode(t, 0xa, nodeOptions{config: func(c *Config) { c.Registerer = registry }}), startNode(t, 0xb, nodeOptions{})
	a.Mount("POST /mounted", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	introduce(a, b)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	const ids = 300
	for i := range uint64(ids) {
		for method, path := range map[string]string{"POST /mounted": "/mounted", "POST /raft/stream": wire.PathStream, "GET /snapshot": wire.PathSnapshot + "x"} {
			verb, _, _ := strings.Cut(method, " ")
			req, err := http.NewRequestWithContext(t.Context(), verb, a.url()+path, nil)
			require.NoError(t, err)
			hello(0x1000+i, 0xa).Write(req.Header)
			response, err := client.Do(req)
			require.NoError(t, err)
			text, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, string(wire.RefusedStranger), response.Header.Get(wire.HeaderRefusal), "%s: %s", path, text)
			require.Empty(t, response.Header.Get(wire.HeaderIncarnation), "an incarnation is for members")
		}
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		require.Less(t, len(family.GetMetric()), 5, family.GetName())
	}
	require.Less(t, strings.Count(a.logged.String(), "is refused"), 10)
	_, body := get(t, a.url()+wire.PathMembers)
	require.Contains(t, body, "mb")
}

// Goal: the member list, which everybody is told, does not make a member: one whose incarnation is known must say it.
// Method: a greeting in the name of a member, without it.
func TestNameOfAMemberIsNotEnough(t *testing.T) {
	b := startNode(t, 0xb, nodeOptions{})
	b.SetPeers([]*consensusv1.Member{{Id: 0xa, Incarnation: 7}, {Id: 0xb}})
	for incarnation, status := range map[uint64]int{0: http.StatusServiceUnavailable, 7: http.StatusOK, 8: http.StatusConflict} {
		header := http.Header{}
		g := hello(0xa, 0xb)
		g.Incarnation = incarnation
		g.Write(header)
		_, response := rawStream(t, b, header)
		require.Equal(t, status, response.StatusCode)
	}
}

// Goal: a member that was away while another was added can hear and answer it, as it must to learn of it, even where none
// is left of those that it knew. Method: only one of two is introduced to the other, and knows the other's incarnation; it
// is forgotten when it goes.
func TestUnknownMemberThatKnowsTheStateIsAnswered(t *testing.T) {
	a := startNode(t, 0xa, nodeOptions{})
	b := startNode(t, 0xb, nodeOptions{receiver: func(f *fakeReceiver) { f.incarnation = 0xb1 }})
	b.SetPeers(listed(b))
	members := listed(a, b)
	members[1].Incarnation = 0xb1
	a.SetPeers(members)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	sendUntilReceived(t, b, a, heartbeat(b, a, 2))
	a.halt()
	awaitTrue(t, func() bool {
		_, known := b.URL(0xa)
		return !known
	})
}

// Goal: a member that joins hears one that was added after it asked for the members. Method: a member that knows both is
// there to be asked; the list of the one that joins lacks one.
func TestUnknownMemberThatAnotherKnowsIsAnswered(t *testing.T) {
	a, b, c := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{}), startNode(t, 0xc, nodeOptions{})
	b.SetPeers(listed(b, c))
	c.SetPeers(listed(a, b, c))
	a.SetPeers(listed(a, b, c))
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	b.SetPeers(listed(b, c)) // old news
	sendUntilReceived(t, b, a, heartbeat(b, a, 2))
}

// Goal: followers pass on what others ask of a leader, under their names. Method: a proposal and a read of a third member
// on the stream of another.
func TestForwardedMessagesKeepTheirSender(t *testing.T) {
	b := startNode(t, 0xb, nodeOptions{})
	b.SetPeers(append(byHand(), &consensusv1.Member{Id: 0xc}))
	header := http.Header{}
	hello(0xa, 0xb).Write(header)
	conn, _ := rawStream(t, b, header)
	var w wire.FrameWriter
	w.Open(wire.FrameMessages)
	for _, kind := range []raftpb.MessageType{raftpb.MsgProp, raftpb.MsgReadIndex, raftpb.MsgTransferLeader} {
		require.NoError(t, w.Message(&raftpb.Message{Type: kind.Enum(), From: new(uint64(0xc)), To: new(uint64(0xb))}))
	}
	w.Close()
	_, err := conn.Write(w.Bytes())
	require.NoError(t, err)
	for range 3 {
		require.Equal(t, uint64(0xc), await(t, b.receiver.messages).GetFrom())
	}
}

// Goal: a flood of offers costs a bounded number of goroutines and connections (20,000 of each), and ends the stream.
// Method: offers of many snapshots, of falling terms, whose sender never answers.
func TestFloodOfOffersEndsTheStream(t *testing.T) {
	b := startNode(t, 0xb, nodeOptions{})
	b.SetPeers(byHand())
	a := &node{receiver: newFakeReceiver(0xa)}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	header := http.Header{}
	hello(0xa, 0xb).Write(header)
	conn, response := rawStream(t, b, header)
	var w wire.FrameWriter
	for i := range uint64(100) {
		message, err := proto.Marshal(msgSnap(a, b, 100-i))
		require.NoError(t, err)
		payload, err := json.Marshal(map[string]any{"id": fmt.Sprintf("x%d", i), "urls": []string{"http://" + silent.Addr().String()}, "message": message})
		require.NoError(t, err)
		w.Frame(wire.FrameOffer, payload)
	}
	_, err = conn.Write(w.Bytes())
	require.NoError(t, err)
	answers := &wire.FrameReader{Source: response.Body}
	kind, payload, err := answers.Next()
	for err == nil && kind == wire.FrameAlive { // where the offers took a while to come
		kind, payload, err = answers.Next()
	}
	require.NoError(t, err)
	require.Equal(t, wire.FrameRefusal, kind)
	require.Contains(t, string(payload), "under consideration")
}

// Goal: a request's head costs no more than its length, and is bounded (a megabyte of URLs took a minute). Method: more
// URLs than a member has, and a head that is too long.
func TestHeadsAreBounded(t *testing.T) {
	var urls []string
	for i := range 1000 {
		urls = append(urls, fmt.Sprintf("http://a%d:1", i))
	}
	header := http.Header{}
	header.Set(wire.HeaderURLs, strings.Join(urls, ","))
	require.Equal(t, urls[:wire.URLsMax], wire.ReadURLs(header))
	header.Set(wire.HeaderURLs, strings.Join([]string{urls[0], "nonsense", urls[0], urls[1]}, ","))
	require.Equal(t, urls[:2], wire.ReadURLs(header))

	b := startNode(t, 0xb, nodeOptions{})
	header = http.Header{}
	hello(0xa, 0xb).Write(header)
	header.Set(wire.HeaderServer, strings.Repeat("x", 2*headBytesMax))
	_, response := rawStream(t, b, header)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)
}

// Goal: a member's listener ends whatever a connection does: a body that never comes held a stop up for ever. Method:
// connections of each kind, half way through; Serve and Run must return.
func TestStopWaitsForNoStranger(t *testing.T) {
	header := http.Header{}
	hello(0xa, 0xb).Write(header)
	var greeting strings.Builder
	require.NoError(t, header.Write(&greeting))
	for name, sent := range map[string]string{
		"nothing":            "",
		"half a head":        "POST /raft/stream HTTP/1.1\r\nHost: x\r\n",
		"body never comes":   "GET /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"refused, no body":   "POST /mounted HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"member, no body":    "POST /mounted HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n" + greeting.String() + "\r\n",
		"stream, no frame":   "POST /raft/stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + greeting.String() + "\r\n",
		"HTTP/2, no request": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := startNode(t, 0xb, nodeOptions{})
			reading := make(chan struct{}, 1)
			b.Mount("POST /mounted", http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				reading <- struct{}{}
				_, _ = io.ReadAll(req.Body)
			}))
			b.SetPeers(byHand())
			conn, err := net.Dial("tcp", b.address)
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, sent)
			require.NoError(t, err)
			switch {
			case name == "member, no body":
				await(t, reading)
			case strings.HasPrefix(name, "half"), sent == "":
			default: // an answer, or settings, show that the request is under way
				require.NoError(t, conn.SetReadDeadline(time.Now().Add(eventWait)))
				_, err = conn.Read(make([]byte, 1))
				require.NoError(t, err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				b.halt()
				b.close()
			}()
			await(t, ended)
		})
	}
}
