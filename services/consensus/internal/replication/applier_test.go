package replication

import (
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// stored is the state that members have.
type stored struct {
	*mvcc.Store
	machine *statemachine.Machine
}

func (s stored) Begin() Batch       { return s.machine.Begin() }
func (s stored) Refuses(error) bool { return false }

// However much a member has to replay at once, it does so in batches: what it has done is visible, and of bounded size, before
// it goes on. Method: two entries of many small commands and two of few large ones, of which each fills a batch, and then
// one that cannot be applied: all before it are there.
func TestReplayIsCutIntoBatches(t *testing.T) {
	for name, c := range map[string]struct{ commands, valueBytes int }{
		"by number": {10_000, 1}, "by bytes": {20, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := mvcc.Open(mvcc.Config{Dir: "state", FS: vfs.NewMem()})
			require.NoError(t, err)
			defer func() { require.NoError(t, store.Close()) }()
			message := &raftpb.Message{}
			for index := range uint64(2) {
				logged := &consensusv1.LogEntry{Origin: 1, Sequence: 1}
				for i := range c.commands {
					logged.Commands = append(logged.Commands, &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{
						Key: fmt.Appendf(nil, "key%d", i), Value: make([]byte, c.valueBytes),
					}}})
				}
				data, err := proto.Marshal(logged)
				require.NoError(t, err)
				message.Entries = append(message.Entries, &raftpb.Entry{
					Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(index + 1), Data: data,
				})
			}
			message.Entries = append(message.Entries, &raftpb.Entry{
				Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(uint64(3)), Data: []byte("no entry"),
			})
			a := &applier{state: stored{store, statemachine.New(store)}, waiting: newProposals(2, math.MaxInt64)}
			a.put([]*raftpb.Message{message})
			for index := uint64(1); index <= 2; index++ {
				r, err := a.next(t.Context())
				require.NoError(t, err)
				require.Equal(t, index, r.last.GetIndex())
				require.Len(t, r.commits, c.commands)
				require.Equal(t, index, a.applied)
				require.EqualValues(t, 1+int(index)*c.commands, store.Revision())
			}
			_, err = a.next(t.Context())
			require.ErrorContains(t, err, "no log entry of this format")
			require.EqualValues(t, 1+2*c.commands, store.Revision())
		})
	}
}
