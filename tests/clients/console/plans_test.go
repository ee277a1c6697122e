package console

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/tests/harness"
)

func putBack(key string, prefix bool, to int64) *consolev1.Plan {
	return &consolev1.Plan{Change: &consolev1.Plan_PutBack{PutBack: &consolev1.PutBack{Key: []byte(key), Prefix: prefix, ToRevision: to}}}
}

// Goal: a prefix goes back to a revision as it was previewed, made, changed and deleted keys alike, with the leases that still live; what somebody
// else has changed since the preview stays and is told; keys outside stay. Method: change a prefix in every way, preview, interfere, apply.
func TestUndoOfAPrefix(t *testing.T) {
	t.Parallel()
	ctx, client, to := harness.Context(t), harness.Client(t, shared), page(shared, "")
	living, err := client.Grant(ctx, 600)
	require.NoError(t, err)
	ending, err := client.Grant(ctx, 600)
	require.NoError(t, err)
	put(t, client, "/back/changed", "1", "/back/deleted", "1", "/back/same", "1", "/back/theirs", "1", "/backwards", "1")
	for key, lease := range map[string]clientv3.LeaseID{"/back/leased": living.ID, "/back/orphan": ending.ID} {
		_, err := client.Put(ctx, key, "1", clientv3.WithLease(lease))
		require.NoError(t, err)
	}
	then := put(t, client, "/back/again", "1")
	put(t, client, "/back/changed", "2", "/back/leased", "2", "/back/made", "2", "/back/theirs", "2", "/back/again", "2", "/back/again", "1", "/backwards", "2")
	_, err = client.Revoke(ctx, ending.ID)
	require.NoError(t, err)
	_, err = client.Delete(ctx, "/back/deleted")
	require.NoError(t, err)

	plan := putBack("/back/", true, then)
	changes, revision := previewed(t, ctx, to, plan, 2)
	require.Equal(t, []string{
		"UPDATE /back/changed 2>1", "CREATE /back/deleted >1", "UPDATE /back/leased 2>1", "DELETE /back/made 2>", "CREATE /back/orphan >1", "UPDATE /back/theirs 2>1",
	}, summary(changes))
	require.Equal(t, int64(living.ID), changes[2].LeaseAfter)
	require.True(t, changes[4].LeaseGone)
	require.Equal(t, "2", valuesBelow(t, client, "/back/")["changed"], "a preview changes nothing")

	theirs := put(t, client, "/back/theirs", "3", "/back/later", "3")
	done, conflicts := applied(t, ctx, to, plan, revision, 2)
	require.EqualValues(t, 5, done)
	require.Len(t, conflicts, 1)
	require.Equal(t, "/back/theirs", string(conflicts[0].Wanted.Key))
	require.Equal(t, theirs-1, conflicts[0].ModRevision)
	require.Equal(t, map[string]string{
		"again": "1", "changed": "1", "deleted": "1", "later": "3", "leased": "1", "orphan": "1", "same": "1", "theirs": "3",
	}, valuesBelow(t, client, "/back/"))
	require.Equal(t, "2", valuesBelow(t, client, "/backwards")[""])
	kept, err := client.Get(ctx, "/back/leased")
	require.NoError(t, err)
	require.Equal(t, int64(living.ID), kept.Kvs[0].Lease)
}

// Goal: one key goes back, and comes back where it was deleted, and a revision that is compacted is refused in etcd's words with nothing done.
// Method: a server of its own, which is compacted.
func TestUndoOfAKeyAndCompaction(t *testing.T) {
	t.Parallel()
	s := harness.Run(t)
	ctx, client, to := harness.Context(t), harness.Client(t, s), page(s, "")
	first := put(t, client, "/k", "1")
	last := put(t, client, "/k", "2", "/k/below", "2")
	_, err := client.Delete(ctx, "/k")
	require.NoError(t, err)
	changes, revision := previewed(t, ctx, to, putBack("/k", false, first), 2)
	require.Equal(t, []string{"CREATE /k >1"}, summary(changes))
	done, conflicts := applied(t, ctx, to, putBack("/k", false, first), revision, 2)
	require.EqualValues(t, 1, done)
	require.Empty(t, conflicts)
	require.Equal(t, map[string]string{"": "1", "/below": "2"}, valuesBelow(t, client, "/k"))

	_, err = client.Compact(ctx, last)
	require.NoError(t, err)
	_, err = to.Preview(ctx, &consolev1.PreviewRequest{Plan: putBack("/k", false, first)})
	require.ErrorContains(t, err, "etcdserver: mvcc: required revision has been compacted")
	_, err = to.Apply(ctx, &consolev1.ApplyRequest{Plan: putBack("/k", false, first), Revision: revision})
	require.ErrorContains(t, err, "etcdserver: mvcc: required revision has been compacted")
	_, err = to.Preview(ctx, &consolev1.PreviewRequest{Plan: putBack("/k", false, 1<<40)})
	require.ErrorContains(t, err, "etcdserver: mvcc: required revision is a future revision")
}

// Goal: all keys below a prefix, or those that are named, go as previewed, those made meanwhile stay; an import says what is new, other and the same,
// and with only_new leaves alone what is there. Method: preview and apply each.
func TestBulkDeleteAndImport(t *testing.T) {
	t.Parallel()
	ctx, client, to := harness.Context(t), harness.Client(t, shared), page(shared, "")
	entries := &consolev1.Import{}
	for i := range 150 { // several transactions
		entries.Entries = append(entries.Entries, &consolev1.ImportEntry{Key: fmt.Appendf(nil, "/bulk/%03d", i), Value: []byte("new")})
	}
	put(t, client, "/bulk/003", "old", "/bulk/004", "new")
	bring := &consolev1.Plan{Change: &consolev1.Plan_Import{Import: entries}}
	changes, revision := previewed(t, ctx, to, bring, 1000)
	require.Len(t, changes, 149)
	require.Equal(t, consolev1.Change_KIND_UPDATE, changes[3].Kind)
	require.Equal(t, []int64{3, 3}, []int64{changes[3].BytesBefore, changes[3].BytesAfter})
	entries.OnlyNew = true
	done, _ := applied(t, ctx, to, bring, revision, 1000)
	require.EqualValues(t, 148, done)
	values := valuesBelow(t, client, "/bulk/")
	require.Len(t, values, 150)
	require.Equal(t, "old", values["003"])

	named := &consolev1.Plan{Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{Keys: [][]byte{[]byte("/bulk/149"), []byte("/bulk/000"), []byte("/bulk/none")}}}}
	changes, revision = previewed(t, ctx, to, named, 2)
	require.Equal(t, []string{"DELETE /bulk/000 new>", "DELETE /bulk/149 new>"}, summary(changes))
	done, _ = applied(t, ctx, to, named, revision, 2)
	require.EqualValues(t, 2, done)

	all := &consolev1.Plan{Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{Prefix: []byte("/bulk/")}}}
	changes, revision = previewed(t, ctx, to, all, 1000)
	require.Len(t, changes, 148)
	put(t, client, "/bulk/later", "l")
	done, _ = applied(t, ctx, to, all, revision, 1000)
	require.EqualValues(t, 148, done)
	require.Equal(t, map[string]string{"later": "l"}, valuesBelow(t, client, "/bulk/"))
}

// Goal: plans that say nothing, or too much by accident, are refused with a text that says why. Method: one of each.
func TestPlansThatMakeNoSense(t *testing.T) {
	t.Parallel()
	ctx, to := harness.Context(t), page(shared, "")
	entry := &consolev1.ImportEntry{Key: []byte("k")}
	for why, plan := range map[string]*consolev1.Plan{
		"the plan says nothing":            {},
		"to_revision is missing":           putBack("/k", false, 0),
		"the key to put back is empty":     putBack("", false, 1),
		"the prefix to delete is empty":    {Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{}}},
		"either keys, or a prefix":         {Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{All: true, Keys: [][]byte{[]byte("k")}}}},
		"an empty key is named":            {Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{Keys: [][]byte{{}}}}},
		"0 entries are to be put":          {Change: &consolev1.Plan_Import{Import: &consolev1.Import{}}},
		"the key of an entry is empty":     {Change: &consolev1.Plan_Import{Import: &consolev1.Import{Entries: []*consolev1.ImportEntry{{}}}}},
		`the key "k" is in two entries`:    {Change: &consolev1.Plan_Import{Import: &consolev1.Import{Entries: []*consolev1.ImportEntry{entry, entry}}}},
		"1001 keys are named, 1000 may be": {Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{Keys: make([][]byte, 1001)}}},
	} {
		_, err := to.Preview(ctx, &consolev1.PreviewRequest{Plan: plan})
		require.ErrorContains(t, err, why)
	}
	_, err := to.Apply(ctx, &consolev1.ApplyRequest{Plan: putBack("/k", false, 1)})
	require.ErrorContains(t, err, "the revision of the preview is missing")
}
