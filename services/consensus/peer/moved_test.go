package peer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// nowhere is a URL at which nothing listens.
const nowhere = "http://127.0.0.1:1"

// Goal: a member that moved is reached where it says it is, until the list has it right, so that a quorum of moved members
// can change the list (there was no quorum until the old addresses came back). Method: a list with a dead URL.
func TestMemberThatMovedIsReached(t *testing.T) {
	a, b := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{})
	old := listed(a, b)
	old[1].PeerUrls = []string{nowhere}
	a.SetPeers(old)
	b.SetPeers(old)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	url, known := a.URL(0xb)
	require.True(t, known)
	require.Equal(t, b.url(), url)
	require.Contains(t, a.logged.String(), "member update")

	a.SetPeers(listed(a, b)) // the list is corrected, and the stream stays
	require.Equal(t, []string{b.url()}, (*a.links.Load())[0xb].URLs())
	sendUntilReceived(t, a, b, heartbeat(a, b, 2))

	a.SetPeers(listed(a)) // a member that is removed is not reached anywhere
	_, known = a.URL(0xb)
	require.False(t, known)
	awaitTrue(t, func() bool { _, in := a.inboundSince(0xb); return !in })
	_, known = a.URL(0xb)
	require.False(t, known)
}

// Goal: two members whose addresses were swapped find each other. Method: the list has each at the other's.
func TestMembersWithSwappedAddressesAreReached(t *testing.T) {
	a, b, c := startNode(t, 0xa, nodeOptions{}), startNode(t, 0xb, nodeOptions{}), startNode(t, 0xc, nodeOptions{})
	swapped := listed(a, b, c)
	swapped[0].PeerUrls, swapped[1].PeerUrls = swapped[1].PeerUrls, swapped[0].PeerUrls
	for _, n := range []*node{a, b, c} {
		n.SetPeers(swapped)
	}
	sendUntilReceived(t, c, a, heartbeat(c, a, 1))
	sendUntilReceived(t, c, b, heartbeat(c, b, 2))
}
