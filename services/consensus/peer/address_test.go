package peer

import (
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// Goal: members reach each other by sockets: messages, snapshots, the list and what is mounted (unix:// in a peer URL was
// accepted as a flag, and refused). Method: two members on sockets.
func TestMembersOnSockets(t *testing.T) {
	dir := t.TempDir()
	onSocket := func(id uint64, o nodeOptions) *node {
		path := filepath.Join(dir, identity.Format(id))
		listener, err := net.Listen("unix", path)
		require.NoError(t, err)
		change := o.config
		o.listener = listener
		o.config = func(c *Config) {
			c.AdvertiseURLs = []string{"unix://" + path}
			if change != nil {
				change(c)
			}
		}
		return startNode(t, id, o)
	}
	source := newFakeSource(vfs.NewMem(), snapshotPieceBytes+1)
	a := onSocket(0xa, nodeOptions{source: source, config: func(c *Config) { c.FS = source.fs }})
	arrived := make(chan installed, 1)
	fs := vfs.NewMem()
	b := onSocket(0xb, nodeOptions{config: func(c *Config) { c.FS = fs }, receiver: installing(t, fs, arrived)})
	introduce(a, b)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	sendUntilReceived(t, b, a, heartbeat(b, a, 2))
	a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
	requireSameFiles(t, source.files, await(t, arrived).files)

	cluster, members, err := FetchMembers(t.Context(), a.cfg.AdvertiseURLs, nil, nil)
	require.NoError(t, err)
	require.Equal(t, uint64(testCluster), cluster)
	require.Len(t, members, 2)
	at, known := a.URL(0xb)
	require.True(t, known)
	response, err := a.HTTPClient(0xb).Get(at + wire.PathMembers)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

// sources are where connections to a listener came from.
type sources struct {
	net.Listener
	mu   sync.Mutex
	seen map[string]int
}

// Accept implements net.Listener.
func (s *sources) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err == nil {
		s.mu.Lock()
		s.seen[conn.RemoteAddr().(*net.TCPAddr).IP.String()]++
		s.mu.Unlock()
	}
	return conn, err
}

// Goal: all connections to another member come from LocalAddress, so that a firewall that knows members by it lets them through: those
// of streams, of requests, and of one that asks who the members are before it has joined. Method: the listener of another member
// remembers where connections came from; 127.0.0.2 is this machine too, and nothing comes from there that is not told to.
func TestConnectionsComeFromTheLocalAddress(t *testing.T) {
	local := net.IPv4(127, 0, 0, 2)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	seen := &sources{Listener: listener, seen: make(map[string]int)}
	url := "http://" + listener.Addr().String()
	a := startNode(t, 0xa, nodeOptions{config: func(c *Config) { c.LocalAddress = local }})
	b := startNode(t, 0xb, nodeOptions{listener: seen, config: func(c *Config) { c.AdvertiseURLs = []string{url} }})
	introduce(a, b)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	response, err := a.HTTPClient(0xb).Get(url + wire.PathMembers)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	_, members, err := FetchMembers(t.Context(), []string{url}, local, nil)
	require.NoError(t, err)
	require.Len(t, members, 2)

	seen.mu.Lock()
	defer seen.mu.Unlock()
	require.GreaterOrEqual(t, seen.seen[local.String()], 3)
	require.Len(t, seen.seen, 1, "connections came from other addresses: %v", seen.seen)
}
