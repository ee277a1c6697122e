package consensus

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
)

// Goal: a member starts when its state has overtaken the commit index that its log stores. Method: a log whose hard state is behind what is
// applied, as a crash leaves it between a flush of the state and the next append.
func TestCommitIndexIsNotBelowApplied(t *testing.T) {
	log, err := logstore.Open(logstore.Options{Dir: "log", FS: vfs.NewMem()})
	require.NoError(t, err)
	defer log.Close()
	number := func(n uint64) *uint64 { return &n }
	var entries []*raftpb.Entry
	for i := range uint64(5) {
		entries = append(entries, &raftpb.Entry{Term: number(3), Index: number(i + 1)})
	}
	require.NoError(t, log.Append(entries, &raftpb.HardState{Term: number(3), Vote: number(7), Commit: number(4)}, true))
	for applied, commit := range map[uint64]uint64{3: 4, 4: 4, 5: 5} {
		hardState, _, err := raftStorage{Storage: log, applied: applied}.InitialState()
		require.NoError(t, err)
		require.Equal(t, commit, hardState.GetCommit())
		require.Equal(t, []uint64{3, 7}, []uint64{hardState.GetTerm(), hardState.GetVote()})
	}
}

// Who the member is, is asked where the directory holds none, and not again: neither after a start that worked nor
// after one that was stopped by a power cut once the answer was written. A first start that got no answer asks again.
func TestFoundingIsAskedOnce(t *testing.T) {
	disk := vfs.NewCrashableMem()
	cfg := testConfig(disk)
	founding := Founding{ClusterID: cfg.ClusterID, MemberID: cfg.MemberID, Members: cfg.Members}
	cfg.ClusterID, cfg.MemberID, cfg.Members = 0, 0, nil
	errNobody := errors.New("nobody answers")
	cfg.Found = func() (Founding, error) { return Founding{}, errNobody }
	_, err := New(cfg)
	require.ErrorIs(t, err, errNobody)

	asked := 0
	cfg.Found = func() (Founding, error) { asked++; return founding, nil }
	m, err := New(cfg)
	require.NoError(t, err)
	require.Equal(t, founding.MemberID, m.MemberID())
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, m.Close())
	for _, fs := range []vfs.FS{crashed, disk} {
		cfg.FS = fs
		again := start(t, cfg)
		require.Equal(t, founding.ClusterID, again.ClusterID())
		again.mustPut(t, "key", "value")
	}
	require.Equal(t, 1, asked)
}
