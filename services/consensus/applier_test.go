package consensus

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// However much a member has to replay at once, it does so in batches: what it has done is visible, and of bounded size, before
// it goes on. Method: two entries of many small commands and two of few large ones, of which each fills a batch, and then
// one that cannot be applied: all before it are there.
func TestReplayIsCutIntoBatches(t *testing.T) {
	for name, c := range map[string]struct{ commands, valueBytes int }{
		"by number": {10_000, 1}, "by bytes": {20, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := New(testConfig(vfs.NewMem()))
			require.NoError(t, err)
			defer func() { require.NoError(t, m.Close()) }()
			next := m.applier.applied.Load() + 1
			message := &raftpb.Message{}
			for range 2 {
				logged := &consensusv1.LogEntry{Origin: 1, Sequence: 1}
				for i := range c.commands {
					logged.Commands = append(logged.Commands, &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{
						Key: fmt.Appendf(nil, "key%d", i), Value: make([]byte, c.valueBytes),
					}}})
				}
				data, err := proto.Marshal(logged)
				require.NoError(t, err)
				message.Entries = append(message.Entries, &raftpb.Entry{
					Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(next + uint64(len(message.Entries))), Data: data,
				})
			}
			message.Entries = append(message.Entries, &raftpb.Entry{
				Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(next + 2), Data: []byte("no entry"),
			})
			err = m.applier.apply(t.Context(), []*raftpb.Message{message})
			require.ErrorContains(t, err, "no log entry of this format")
			m.reportFatal(err) // the entries are in no log, which a clean stop would have truncated up to them
			require.Equal(t, next+1, m.applier.applied.Load())
			require.EqualValues(t, 1+2*c.commands, m.store().Revision())
		})
	}
}
