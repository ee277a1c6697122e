package peer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a member that comes with other data than it is known with is refused, told so, and cannot be heard; one whose
// incarnation is not known is let in. Method: two members, and what one of them learns of the other meanwhile.
func TestMemberWithOtherDataIsRefused(t *testing.T) {
	a := startNode(t, 0xa, nodeOptions{receiver: func(f *fakeReceiver) { f.incarnation = 0xa1 }})
	b := startNode(t, 0xb, nodeOptions{receiver: func(f *fakeReceiver) { f.incarnation = 0xb1 }})
	known := func(incarnation uint64) {
		members := listed(a, b)
		members[1].Incarnation = incarnation
		a.SetPeers(members)
	}
	known(0)
	b.SetPeers(listed(a, b))
	sendUntilReceived(t, b, a, heartbeat(b, a, 1))
	known(0xb1)
	sendUntilReceived(t, b, a, heartbeat(b, a, 2))
	require.Empty(t, b.receiver.bootstrappedBy)

	known(0xb2) // its stream ends, and none comes in its place
	require.Equal(t, uint64(0xa), await(t, b.receiver.bootstrappedBy))
	require.Contains(t, b.logged.String(), "member b has already been bootstrapped")
	require.Contains(t, a.logged.String(), "already-bootstrapped")

	known(0xb1)
	sendUntilReceived(t, b, a, heartbeat(b, a, 3))
}
