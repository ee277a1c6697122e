package consensus

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// tail returns what the feed sends from a revision up to and including another.
func (r *running) tail(t *testing.T, from, to int64, leftOut bool) (commits []*consensusv1.Commit) {
	t.Helper()
	enough := errors.New("enough")
	err := r.Tail(t.Context(), &consensusv1.TailRequest{FromRevision: from, AllowLeftOut: leftOut}, func(resp *consensusv1.TailResponse) error {
		commits = append(commits, resp.GetCommits()...)
		if n := len(commits); n > 0 && commits[n-1].GetRevision() >= to {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	return commits
}

// The events of one deletion of very many keys are not held in memory: the feed names the revision, and who wants the events
// reads them, in parts or, if it knows no better, at once; also when a crash has replayed the deletion. Method: more keys than
// the events of a commit may be, of a lease and of none, deleted in either way.
func TestDeletionOfVeryManyKeysIsReadFromHistory(t *testing.T) {
	const keys = 12_000
	crashable := vfs.NewCrashableMem()
	m := start(t, testConfig(crashable))
	require.NoError(t, propose(t.Context(), m, &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{
		LeaseGrant: &consensusv1.LeaseGrantOp{Id: 7, Ttl: 100},
	}}))
	for i := 0; i < keys; i += 1000 {
		txn := &consensusv1.TxnOp{}
		for j := range 1000 {
			for _, op := range []*consensusv1.PutOp{
				{Key: fmt.Appendf(nil, "key%05d", i+j), Value: []byte("value")},
				{Key: fmt.Appendf(nil, "leased%05d", i+j), Lease: 7},
			} {
				txn.Success = append(txn.Success, &consensusv1.Op{Op: &consensusv1.Op_Put{Put: op}})
			}
		}
		require.NoError(t, propose(t.Context(), m, &consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: txn}}))
	}
	head := m.mustPut(t, "last", "")
	require.NoError(t, propose(t.Context(), m, &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{
		DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("key"), RangeEnd: []byte("kez")},
	}}))
	require.NoError(t, propose(t.Context(), m, &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{
		LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: []int64{7}},
	}}))
	check := func(m *running) {
		marks := m.tail(t, head+1, head+2, true)
		require.Len(t, marks, 2)
		for i, key := range []string{"key", "leased"} {
			require.True(t, marks[i].GetLeftOut())
			require.Empty(t, marks[i].GetEvents())
			whole := m.tail(t, head+1+int64(i), head+1+int64(i), false)
			require.Len(t, whole, 1)
			requireDeleted(t, key, keys, whole[0].GetEvents())
			requireDeleted(t, key, keys, m.parts(t, head+1+int64(i)))
		}
		require.Empty(t, m.get(t, "key00000"))
		resp, err := m.Range(t.Context(), &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{
			Key: []byte{0}, RangeEnd: []byte{0}, CountOnly: true,
		}})
		require.NoError(t, err)
		require.EqualValues(t, 1, resp.GetResult().GetCount())
	}
	check(m)
	digests := m.gate.State().Digests()
	crashed := crashable.CrashClone(vfs.CrashCloneCfg{})
	again := start(t, testConfig(crashed))
	check(again)
	newest := again.gate.State().Digests()
	require.Equal(t, digests[len(digests)-1].Revision, newest[len(newest)-1].Revision)
	require.NoError(t, again.gate.State().Verify(t.Context(), func(context.Context, int) error { return nil }))
}

// parts reads the events of a revision in parts.
func (r *running) parts(t *testing.T, revision int64) (events []*consensusv1.Event) {
	t.Helper()
	for sub := int64(0); ; {
		resp, err := r.History(t.Context(), &consensusv1.HistoryRequest{
			FromRevision: revision, ToRevision: revision, Parts: true, FromSub: sub,
		})
		require.NoError(t, err)
		for _, commit := range resp.GetCommits() {
			events = append(events, commit.GetEvents()...)
		}
		if sub = resp.GetNextSub(); sub == 0 {
			return events
		}
	}
}

func requireDeleted(t *testing.T, prefix string, keys int, events []*consensusv1.Event) {
	t.Helper()
	require.Len(t, events, keys)
	for i, event := range events {
		require.Equal(t, fmt.Sprintf("%s%05d", prefix, i), string(event.GetKv().GetKey()))
		require.Equal(t, consensusv1.Event_DELETE, event.GetType())
		require.Equal(t, event.GetKv().GetKey(), event.GetPrevKv().GetKey())
	}
}
