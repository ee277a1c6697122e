package consensus

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
)

// Commands that change nothing do not grow the log without end: it has the state flushed, which nothing else would cause,
// and is truncated. Puts with a lease that does not exist, of more than the log waits for and less than a memtable holds.
func TestLogOfCommandsThatChangeNothingIsBounded(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.MemTableBytes = 0 // the default
	member, err := New(cfg)
	require.NoError(t, err)
	require.EqualValues(t, logUnflushedBytes, member.housekeeper.bytesUnflushed)
	const size, count = 64 << 10, 16
	member.housekeeper.bytesUnflushed = size * count
	m := run(t, member)
	m.awaitReady(t)
	refused := &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k"), Value: make([]byte, size), Lease: 4711}}}
	for range count + 2 {
		_, err := m.Propose(t.Context(), &consensusv1.ProposeRequest{Command: refused})
		require.ErrorIs(t, err, errdefs.ErrLeaseNotFound)
	}
	require.Eventually(t, func() bool {
		first, err := m.data.Log.FirstIndex()
		return err == nil && first > count
	}, time.Minute, time.Millisecond)
}

// Nor does a start replay for longer than a bounded time what changes nothing: once it has taken long to apply, the state is flushed. Method: any time is long.
func TestWhatTookLongToApplyIsFlushed(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.MemTableBytes = 0 // the default
	member, err := New(cfg)
	require.NoError(t, err)
	require.Equal(t, applyTimeUnflushed, member.housekeeper.timeUnflushed)
	member.housekeeper.timeUnflushed = 0
	m := run(t, member)
	m.awaitReady(t)
	const count = 20
	for range count {
		require.NoError(t, propose(t.Context(), m, txnCommand(&consensusv1.TxnOp{})))
	}
	require.Eventually(t, func() bool {
		first, err := m.data.Log.FirstIndex()
		return err == nil && first > count
	}, time.Minute, time.Millisecond)
}

// The log that is kept for members that are behind is bounded by bytes, not only by the number of its entries: a member of
// three whose log holds more than that in few entries.
func TestLogForOthersIsBoundedByBytes(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.MemberID = 1
	cfg.Members = []*consensusv1.Member{{Id: 1, Name: "a"}, {Id: 2, Name: "b"}, {Id: 3, Name: "c"}}
	m, err := New(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	const size, count = 1 << 20, 12
	m.housekeeper.bytesKept = 8 * size
	data := make([]byte, size)
	for index := uint64(2); index < 2+count; index++ {
		require.NoError(t, m.data.Log.Append([]*raftpb.Entry{{Index: new(index), Term: new(uint64(1)), Data: data}}, nil, false))
	}
	require.EqualValues(t, 2+count-1-8, m.housekeeper.truncatable(2+count-1))
	require.EqualValues(t, 3, m.housekeeper.truncatable(3), "what is not durable stays")
}

// A clean stop leaves no more of the log than others may ask for, so that the next start reads nothing: one member alone
// has nobody who asks.
func TestCleanStopTruncatesTheLog(t *testing.T) {
	fs := vfs.NewMem()
	m := start(t, testConfig(fs))
	for range 20 {
		m.mustPut(t, "key", "value")
	}
	require.NoError(t, m.halt())
	log, err := logstore.Open(logstore.Config{Dir: "data/member/log", FS: fs})
	require.NoError(t, err)
	first, err := log.FirstIndex()
	require.NoError(t, err)
	last, err := log.LastIndex()
	require.NoError(t, err)
	require.Equal(t, last+1, first)
	require.NoError(t, log.Close())
	require.Equal(t, "value", start(t, testConfig(fs)).get(t, "key"))
}
