package consensus

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// Goal: a heartbeat that has more committed than the log holds does not end the process ("tocommit is out of range"), and
// one that is true is taken. Method: one of each, at the end of the log and beyond it.
func TestHeartbeatBeyondTheLogIsRefused(t *testing.T) {
	m := start(t, testConfig(vfs.NewMem()))
	m.mustPut(t, "key", "value")
	last, err := m.data.Log.LastIndex()
	require.NoError(t, err)
	heartbeat := func(commit uint64) *raftpb.Message {
		return &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(0x77)), To: new(m.MemberID()), Term: new(uint64(1)), Commit: new(commit)}
	}
	require.ErrorContains(t, m.Receiver().Step(heartbeat(1<<40)), "it ends at")
	require.ErrorContains(t, m.Receiver().Step(heartbeat(last+100)), "it ends at")
	require.NoError(t, m.Receiver().Step(heartbeat(last)))
	m.mustPut(t, "key", "other")
	require.NoError(t, m.halt())
	require.NoError(t, m.Receiver().Step(heartbeat(1<<40)), "it has stopped")
}
