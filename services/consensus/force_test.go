package consensus

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// crashableCluster starts members 1 to n, each on a filesystem of its own that can be cloned as a crash leaves it.
func crashableCluster(t *testing.T, n int) (*network, []*running, []*vfs.MemFS) {
	t.Helper()
	net := newNetwork()
	var founders []*consensusv1.Member
	for id := range n {
		founders = append(founders, &consensusv1.Member{Id: uint64(id + 1), Name: fmt.Sprintf("m%d", id+1), PeerUrls: []string{fmt.Sprintf("http://m%d", id+1)}})
	}
	members, disks := make([]*running, n), make([]*vfs.MemFS, n)
	for i := range members {
		disks[i] = vfs.NewCrashableMem()
		cfg := testConfig(disks[i])
		cfg.MemberID, cfg.Members, cfg.Name, cfg.Transport = uint64(i+1), founders, founders[i].GetName(), net
		members[i] = launch(t, cfg)
		net.add(cfg.MemberID, members[i])
	}
	for _, m := range members {
		m.awaitReady(t)
	}
	return net, members, disks
}

// killedCluster writes to a cluster of three and returns the disks as a power cut leaves them, with the configuration
// that member 1 had.
func killedCluster(t *testing.T) (Config, []*vfs.MemFS) {
	t.Helper()
	_, members, disks := crashableCluster(t, 3)
	for i := range 40 {
		members[i%3].mustPut(t, fmt.Sprintf("key%d", i), "acknowledged")
	}
	require.Equal(t, "acknowledged", members[0].get(t, "key39")) // so its log holds it
	crashed := make([]*vfs.MemFS, len(disks))
	for i, disk := range disks {
		crashed[i] = disk.CrashClone(vfs.CrashCloneCfg{})
	}
	for _, m := range members {
		require.NoError(t, m.halt())
	}
	cfg := members[0].cfg
	cfg.Transport = nil
	return cfg, crashed
}

func requireAlone(t *testing.T, m *running, self uint64) {
	t.Helper()
	list, err := m.Members(t.Context(), &consensusv1.MembersRequest{})
	require.NoError(t, err)
	require.Len(t, list.GetMembers(), 1)
	require.Equal(t, self, list.GetMembers()[0].GetId())
	for i := range 40 {
		require.Equal(t, "acknowledged", m.get(t, fmt.Sprintf("key%d", i)))
	}
}

// One member of a cluster that was killed goes on alone with all that was acknowledged, under the same ids, and the
// cluster grows to three again; the others are removed for good. Forcing again by a flag that was left in place does
// nothing, and after a start without it forces again.
func TestForceNewClusterKeepsTheData(t *testing.T) {
	cfg, disks := killedCluster(t)
	net := newNetwork()
	cfg.FS, cfg.Transport, cfg.ForceNewCluster = disks[0], net, true
	m := start(t, cfg)
	net.add(1, m)
	require.Equal(t, uint64(0xc1), m.ClusterID())
	requireAlone(t, m, 1)
	require.Equal(t, []uint64{2, 3}, m.members.Newest().GetRemovedIds())
	m.mustPut(t, "key", "after")

	for i := range 2 {
		name := fmt.Sprintf("new%d", i)
		added, err := m.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://" + name}})
		require.NoError(t, err)
		joining := testConfig(vfs.NewMem())
		joining.MemberID, joining.Name, joining.Transport = added.GetMember().GetId(), name, net
		joining.Join, joining.Members = true, added.GetMembers()
		joined := launch(t, joining)
		net.add(joining.MemberID, joined)
		joined.awaitReady(t)
		require.Equal(t, "after", joined.get(t, "key"))
	}
	m.mustPut(t, "key", "three again")

	require.NoError(t, m.halt())
	again := launch(t, cfg)
	net.add(1, again)
	again.awaitReady(t)
	list, err := again.Members(t.Context(), &consensusv1.MembersRequest{})
	require.NoError(t, err)
	require.Len(t, list.GetMembers(), 3, "the flag that was left in place forces once")
	require.NoError(t, again.halt())

	cfg.ForceNewCluster = false
	require.NoError(t, launch(t, cfg).halt())
	cfg.ForceNewCluster, cfg.Transport = true, nil
	requireAlone(t, start(t, cfg), 1)
}

// A crash at any moment of forcing leaves a member that starts, with the flag as a cluster of one that has everything,
// without it with either all members or one: forcing runs on a filesystem that is cloned as a crash leaves it before
// every operation that changes it.
func TestForceNewClusterSurvivesACrashAtEveryStep(t *testing.T) {
	cfg, disks := killedCluster(t)
	disk := disks[0]
	var states []*vfs.MemFS
	var mu sync.Mutex // Pebble writes from several goroutines
	changing := []errorfs.OpKind{
		errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRename, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo,
	}
	cfg.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if slices.Contains(changing, op.Kind) {
			states = append(states, disk.CrashClone(vfs.CrashCloneCfg{}))
		}
		return nil
	}))
	cfg.ForceNewCluster = true
	forced, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, forced.Close())
	states = append(states, disk.CrashClone(vfs.CrashCloneCfg{}))
	t.Logf("%d states", len(states))
	outcomes := map[int]int{}
	for _, state := range states {
		cfg.FS = state.CrashClone(vfs.CrashCloneCfg{})
		m := start(t, cfg)
		requireAlone(t, m, 1)
		m.mustPut(t, "key", "after")
		require.NoError(t, m.halt())

		cfg.FS, cfg.ForceNewCluster = state, false
		plain, err := New(cfg)
		require.NoError(t, err)
		end, err := plain.data.MembersAtEnd()
		require.NoError(t, err)
		outcomes[len(end.GetMembers())]++
		require.NoError(t, plain.Close())
		cfg.ForceNewCluster = true
	}
	require.Len(t, outcomes, 2, "some states are from before, some from after")
	require.Positive(t, outcomes[1])
	require.Positive(t, outcomes[3])
}

// The end of the log that nobody has called committed counts, with the members that it adds; a learner becomes a voter.
func TestForceNewClusterTakesTheWholeLog(t *testing.T) {
	cfg, disks := killedCluster(t)
	cfg.FS = disks[0]
	m, err := New(cfg)
	require.NoError(t, err)
	last, err := m.data.Log.LastIndex()
	require.NoError(t, err)
	hardState, _, err := m.data.Log.InitialState()
	require.NoError(t, err)
	addition, err := proto.Marshal(&raftpb.ConfChange{Type: raftpb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(9)), Context: memberBytes(t, &consensusv1.Member{PeerUrls: []string{"http://nine"}})})
	require.NoError(t, err)
	entry := func(offset uint64, kind raftpb.EntryType, data []byte) *raftpb.Entry {
		return &raftpb.Entry{Type: kind.Enum(), Term: new(hardState.GetTerm()), Index: new(last + offset), Data: data}
	}
	require.NoError(t, m.data.Log.Append([]*raftpb.Entry{
		entry(1, raftpb.EntryConfChange, addition),
		entry(2, raftpb.EntryNormal, encodedEntry(t, put("tail", "counts"))),
	}, hardState, true))
	require.NoError(t, m.Close())

	cfg.ForceNewCluster = true
	forced := start(t, cfg)
	requireAlone(t, forced, 1)
	require.Equal(t, "counts", forced.get(t, "tail"))
	require.Equal(t, []uint64{2, 3, 9}, forced.members.Newest().GetRemovedIds())
}

// A learner that is all that is left becomes the cluster; a member that was removed, or never got a state, is refused.
func TestForceNewClusterOfALearnerAndOfNobody(t *testing.T) {
	net, members, _ := crashableCluster(t, 1)
	first := members[0]
	for i := range 40 {
		first.mustPut(t, fmt.Sprintf("key%d", i), "acknowledged")
	}
	added, err := first.AddMember(t.Context(), &consensusv1.AddMemberRequest{PeerUrls: []string{"http://learner"}, IsLearner: true})
	require.NoError(t, err)
	cfg := testConfig(vfs.NewMem())
	cfg.MemberID, cfg.Name, cfg.Transport, cfg.Join, cfg.Members = added.GetMember().GetId(), "learner", net, true, added.GetMembers()
	learner := launch(t, cfg)
	net.add(cfg.MemberID, learner)
	learner.awaitReady(t)
	require.NoError(t, learner.halt())

	cfg.Transport, cfg.ForceNewCluster = nil, true
	forced := start(t, cfg)
	requireAlone(t, forced, cfg.MemberID)
	forced.mustPut(t, "key", "the learner writes")
	require.NoError(t, forced.halt())

	stateless := testConfig(vfs.NewMem())
	stateless.MemberID, stateless.Join, stateless.Members = cfg.MemberID, true, added.GetMembers()
	waiting, err := New(stateless)
	require.NoError(t, err)
	require.NoError(t, waiting.Close())
	stateless.ForceNewCluster = true
	_, err = New(stateless)
	require.ErrorIs(t, err, ErrNotForced)
}

// Where there is no data the flag has no effect, as with etcd.
func TestForceNewClusterOfAnEmptyDirectory(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.ForceNewCluster = true
	m := start(t, cfg)
	m.mustPut(t, "key", "value")
	require.Equal(t, "value", m.get(t, "key"))
}

func memberBytes(t *testing.T, member *consensusv1.Member) []byte {
	t.Helper()
	encoded, err := proto.Marshal(member)
	require.NoError(t, err)
	return encoded
}

func encodedEntry(t *testing.T, commands ...*consensusv1.Command) []byte {
	t.Helper()
	encoded, err := proto.Marshal(&consensusv1.LogEntry{Origin: 7, Sequence: 1, Commands: commands})
	require.NoError(t, err)
	return encoded
}
