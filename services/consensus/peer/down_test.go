package peer

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: a member hears at once that the process of another has ended, and it is not said of one that is only out of
// reach. Method: a transport that stops listening, and one whose only URL is wrong while it goes on sending.
func TestEndedProcessIsReported(t *testing.T) {
	a, b := pair(t)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	sendUntilReceived(t, b, a, heartbeat(b, a, 1))
	require.Empty(t, a.receiver.down)
	b.halt()
	b.close()
	require.Equal(t, b.receiver.id, await(t, a.receiver.down))
}

func TestMemberThatSendsIsNotDown(t *testing.T) {
	a := startNode(t, 0xa, nodeOptions{})
	b := startNode(t, 0xb, nodeOptions{config: func(c *Config) { c.AdvertiseURLs = nil }})
	introduce(a, b)
	sendUntilReceived(t, b, a, heartbeat(b, a, 1))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nowhere := "http://" + free.Addr().String()
	require.NoError(t, free.Close())
	a.SetPeers([]*consensusv1.Member{
		{Id: a.receiver.id, PeerUrls: []string{a.url()}},
		{Id: b.receiver.id, PeerUrls: []string{nowhere}},
	})
	for range 3 {
		require.Equal(t, b.receiver.id, await(t, a.receiver.unreachable))
	}
	require.Empty(t, a.receiver.down, "its stream still comes in")
}
