package badinput

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/tests/harness"
)

// strangerWait bounds how long a stranger waits for what a member does about it.
const strangerWait = 20 * time.Second

// stranger knows of a cluster what its members' port tells everybody.
type stranger struct {
	t       *testing.T
	address string
	cluster string
	members []struct {
		ID       uint64   `json:"id"`
		PeerURLs []string `json:"peerURLs"`
		// ClientURLs are there once the member has published who it is.
		ClientURLs []string `json:"clientURLs"`
	}
}

func meet(t *testing.T, peerURL string) *stranger {
	t.Helper()
	s := &stranger{t: t, address: strings.TrimPrefix(peerURL, "http://")}
	response, err := http.Get(peerURL + "/members")
	require.NoError(t, err)
	defer response.Body.Close()
	s.cluster = response.Header.Get("X-Etcd-Cluster-Id")
	require.NoError(t, json.NewDecoder(response.Body).Decode(&s.members))
	return s
}

// greet sets what members say of themselves.
func (s *stranger) greet(header http.Header, from, to uint64) {
	header.Set("X-Etcd-Cluster-Id", s.cluster)
	header.Set("Quorate-From", fmt.Sprintf("%x", from))
	header.Set("Quorate-To", fmt.Sprintf("%x", to))
	header.Set("Quorate-Protocol", "1")
	header.Set("Quorate-Protocol-Min", "1")
}

// stream opens a stream of messages, sends one, and returns all that the member has to say.
func (s *stranger) stream(from, to uint64, m *raftpb.Message) string {
	conn, err := net.Dial("tcp", s.address)
	require.NoError(s.t, err)
	defer conn.Close()
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(strangerWait)))
	header := http.Header{}
	s.greet(header, from, to)
	var head bytes.Buffer
	fmt.Fprint(&head, "POST /raft/stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n")
	require.NoError(s.t, header.Write(&head))
	encoded, err := proto.Marshal(m)
	require.NoError(s.t, err)
	payload := protowire.AppendBytes(nil, encoded)
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), 1) // a frame of messages
	frame = append(frame, payload...)
	frame = append(binary.BigEndian.AppendUint32(nil, crc32.Checksum(frame, crc32.MakeTable(crc32.Castagnoli))), frame...)
	fmt.Fprintf(&head, "\r\n%x\r\n%s\r\n", len(frame), frame)
	_, err = conn.Write(head.Bytes())
	require.NoError(s.t, err)
	answer, _ := io.ReadAll(conn) // whatever ends it
	return string(answer)
}

// peerURL is where a server listens for other members.
func peerURL(t *testing.T, s *harness.Server) string {
	t.Helper()
	for _, arg := range s.Args() {
		if url, ok := strings.CutPrefix(arg, "--listen-peer-urls="); ok {
			return url
		}
	}
	t.Fatal("the server has no peer URL")
	return ""
}

func cluster(t *testing.T, n int) harness.Cluster {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	members := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir()}, n)
	t.Cleanup(members.Kill)
	require.NoError(t, members.Start(t.Context()))
	return members
}

// Goal: whoever is no member, and whoever only knows the member list, cannot have raft step a message: one heartbeat ended
// the process ("tocommit is out of range"). Method: that heartbeat from an unknown id, and in the name of each of the
// others; then the cluster serves.
func TestStrangerHeartbeatEndsNoMember(t *testing.T) {
	members := cluster(t, 3)
	client := harness.Client(t, members[0])
	_, err := client.Put(harness.Context(t), "key", "value")
	require.NoError(t, err)
	var to *stranger
	require.Eventually(t, func() bool { // all have published who they are
		to = meet(t, peerURL(t, members[0]))
		published := 0
		for _, m := range to.members {
			published += len(m.ClientURLs)
		}
		return published == len(members)
	}, strangerWait, 50*time.Millisecond)
	var self uint64
	for _, m := range to.members {
		if m.PeerURLs[0] == peerURL(t, members[0]) {
			self = m.ID
		}
	}
	heartbeat := func(from uint64) *raftpb.Message {
		return &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: &from, To: &self, Term: new(uint64(1000)), Commit: new(uint64(1 << 40))}
	}
	require.Contains(t, to.stream(0x1234, self, heartbeat(0x1234)), "503 Service Unavailable")
	for _, m := range to.members {
		if m.ID != self {
			require.NotContains(t, to.stream(m.ID, self, heartbeat(m.ID)), "200 OK", "the id of a member is told to everybody")
		}
	}
	for _, member := range members {
		_, err := harness.Client(t, member).Get(harness.Context(t), "key")
		require.NoError(t, err)
	}
}

// Goal: the members' port gives strangers no data, and keeps nothing of them: it served the whole store to any id, and
// each id left a series of metrics. Method: a read of a key, which is there, and many ids.
func TestStrangersReadNothingAndLeaveNothing(t *testing.T) {
	members := cluster(t, 1)
	member := members[0]
	_, err := harness.Client(t, member).Put(harness.Context(t), "/secret", "hidden")
	require.NoError(t, err)
	url := peerURL(t, member)
	to := meet(t, url)
	metrics := func() int {
		response, err := http.Get(member.URL() + "/metrics")
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return bytes.Count(text, []byte("etcd_network_peer_received_failures_total{"))
	}
	for id := range uint64(500) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/quorate.consensus.v1.ConsensusService/Range", strings.NewReader(`{"range":{"key":"L3NlY3JldA=="}}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		to.greet(req.Header, 0x1000+id, to.members[0].ID)
		response, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, "no-member", response.Header.Get("Quorate-Refusal"), "%s", text)
	}
	require.LessOrEqual(t, metrics(), 1)
}

// Goal: SIGTERM ends the process whatever a connection to the members' port does: a body that never came kept it for
// ever. Method: that connection.
func TestUnreadBodyHoldsNoStopUp(t *testing.T) {
	binary, err := harness.Binary()
	require.NoError(t, err)
	s := harness.New(harness.Config{Binary: binary, DataDir: filepath.Join(t.TempDir(), "data")})
	t.Cleanup(s.Kill)
	require.NoError(t, s.Start(t.Context()))
	conn, err := net.Dial("tcp", strings.TrimPrefix(peerURL(t, s), "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(strangerWait)))
	_, err = conn.Read(make([]byte, 1)) // the first of the two is answered
	require.NoError(t, err)
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err, "it has not ended")
	require.Zero(t, code)
}
