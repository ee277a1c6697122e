package consensus

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"

	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
)

// peersSeen is a transport that keeps whom it was told to talk to.
type peersSeen struct {
	noPeers
	first, newest []*consensusv1.Member
}

func (p *peersSeen) SetPeers(members []*consensusv1.Member) {
	if p.first == nil {
		p.first = members
	}
	p.newest = members
}

// A member's incarnation is drawn once, known to all who have applied that it was published, and before a restart has
// replayed the log: a member is killed before its state was flushed, and its transport is asked what it was told first.
func TestIncarnationsAreKnownBeforeTheLogIsReplayed(t *testing.T) {
	disk := vfs.NewCrashableMem()
	cfg := testConfig(disk)
	m := start(t, cfg)
	incarnation := m.Receiver().Incarnation()
	require.NotZero(t, incarnation)
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, m.halt())

	transport := &peersSeen{}
	cfg.FS, cfg.Transport = crashed, transport
	again, err := New(cfg)
	require.NoError(t, err)
	require.Equal(t, incarnation, again.Receiver().Incarnation())
	applied, _ := again.gate.State().Applied()
	require.Equal(t, uint64(datadir.BootstrapIndex), applied, "the state is from before it published")
	require.Equal(t, incarnation, transport.first[0].GetIncarnation())
	require.NoError(t, again.Close())
}

// A member that comes with other data does not take the place of the one that is known, and one of an older version, which
// says nothing of its data, keeps it: publications are applied by hand.
func TestIncarnationNeverChanges(t *testing.T) {
	m, err := New(testConfig(vfs.NewMem()))
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	publish := func(name string, incarnation uint64) *consensusv1.Member {
		batch := m.gate.Machine().Begin()
		defer batch.Close()
		require.NoError(t, m.members.Publish(batch, &consensusv1.PublishOp{MemberId: m.MemberID(), Name: name, Incarnation: incarnation}))
		return m.members.Find(m.MemberID())
	}
	require.Equal(t, uint64(7), publish("a", 7).GetIncarnation())
	require.Equal(t, "a", publish("b", 8).GetName())
	require.Equal(t, uint64(7), publish("c", 0).GetIncarnation())
	require.Equal(t, "c", publish("d", 9).GetName())
	require.Equal(t, "e", publish("e", 7).GetName())
}
