package auth

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func enableWith(guest bool) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{TokenSecret: []byte("s"), Guest: guest}}}
}

// Goal: requests that show nobody get in only where the v2 API has enabled authentication, and only as far as nobody else was thought of.
// Method: enable by v3, where a role guest may everything, and by v2, with root alone and with another user.
func TestGuests(t *testing.T) {
	nobody := &consensusv1.Caller{Name: Guest, Guest: true}
	file := All(read([]byte("/a"), nil), write([]byte("/a"), nil))
	for _, c := range []struct {
		name    string
		prepare func(*keeper)
		guest   bool
		refusal error
	}{
		{name: "by v3", prepare: func(k *keeper) {
			k.must(grantRole(Root, Root))
			k.must(addRole(Guest))
			k.must(grantPermission(Guest, consensusv1.Permission_TYPE_READWRITE, "/", "0"))
		}, refusal: errdefs.ErrUserEmpty},
		{name: "by v2, root alone", prepare: func(*keeper) {}, guest: true},
		{name: "by v2, with ann", prepare: func(k *keeper) { k.must(addUser("ann")) }, guest: true, refusal: errdefs.ErrPermissionDenied},
		{name: "by v2, a role of old", prepare: func(k *keeper) {
			k.must(addUser("ann"))
			k.must(addRole(Guest))
			k.must(grantPermission(Guest, consensusv1.Permission_TYPE_READWRITE, "/a", ""))
		}, guest: true},
	} {
		k := newKeeper(t)
		require.ErrorIs(t, k.change(enableWith(c.guest)), errdefs.ErrRootUserNotExist, c.name)
		k.must(addUser(Root))
		c.prepare(k)
		k.must(enableWith(c.guest))
		require.ErrorIs(t, k.state.Check(nobody, file, nil), c.refusal, c.name)
		require.Error(t, k.state.Check(nobody, All(read([]byte("a"), nil)), nil), c.name)
		require.Error(t, k.state.CheckRoot(nobody), c.name)
		require.NoError(t, k.state.CheckRoot(&consensusv1.Caller{Name: Root}), c.name)
		k.must(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_Disable{Disable: &consensusv1.AuthDisableOp{}}})
		k.must(enableWith(false))
		require.ErrorIs(t, k.state.Check(nobody, file, nil), errdefs.ErrUserEmpty, c.name)
	}
}

// Goal: several changes are made all or not at all, and only on what they were decided on. Method: one that fails at its end, one that is
// too late, one that holds another; each followed by a look at what is stored.
func TestSteps(t *testing.T) {
	steps := func(revision uint64, ops ...*consensusv1.AuthOp) *consensusv1.AuthOp {
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Steps{Steps: &consensusv1.AuthSteps{Steps: ops, Revision: revision}}}
	}
	k := newKeeper(t)
	k.must(addRole("r"))
	decided := k.state.Revision()
	require.ErrorIs(t, k.change(steps(decided, addUser("ann"), grantRole("ann", "r"), grantRole("ann", "none"))), errdefs.ErrRoleNotFound)
	require.Nil(t, k.state.User("ann"))
	k.must(steps(decided, addUser("ann"), grantRole("ann", "r")))
	require.Equal(t, []string{"r"}, k.state.User("ann").GetRoles())
	require.ErrorIs(t, k.change(steps(decided, deleteUser("ann"))), errdefs.ErrAuthOldRevision)
	require.ErrorIs(t, k.change(steps(0, steps(0, deleteUser("ann")))), errdefs.ErrInvalidAuthManagement)
	k.must(steps(0, deleteUser("ann")))
	require.Nil(t, k.state.User("ann"))
}

// written counts the bytes of records that changes write.
type written struct{ bytes, records int }

func (w *written) SetRecord(_ string, old, value []byte) {
	w.bytes += len(old) + len(value)
	w.records++
}

func (w *written) DropRecord(string, []byte) { w.records++ }

// Goal: a role of many paths, which v2 changes as one, takes no more than their number, and is what the steps one by one make of it: a member
// that applies it serves nothing else meanwhile. Method: hundreds of permissions granted, changed and revoked in one command; count what is
// written, and carry the same steps out one by one.
func TestManyStepsWriteEachRecordOnce(t *testing.T) {
	const paths = 300
	ops := []*consensusv1.AuthOp{addRole("r")}
	for i := range paths {
		ops = append(ops, grantPermission("r", reads, fmt.Sprintf("/%d", i*7919%paths), ""))
	}
	for i := range paths / 2 {
		ops = append(ops, revokePermission("r", fmt.Sprintf("/%d", i), ""), grantPermission("r", both, fmt.Sprintf("/%d", paths-1-i), ""))
	}
	var w written
	together, err := Change(Empty(), &w, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Steps{Steps: &consensusv1.AuthSteps{Steps: ops}}})
	require.NoError(t, err)
	require.Equal(t, 2, w.records, "the role, and the settings")
	require.Less(t, w.bytes, paths*30)
	alone := Empty()
	for _, op := range ops {
		alone, err = Change(alone, &written{}, op)
		require.NoError(t, err)
	}
	require.Equal(t, dump(alone), dump(together))
}

// Goal: a change of the tree needs what it shows: whoever compares reads. Method: each kind of operation.
func TestTreeNeeds(t *testing.T) {
	for _, c := range []struct {
		op   *consensusv1.TreeOp
		want []string
	}{
		{&consensusv1.TreeOp{}, []string{`TYPE_WRITE "/a" "" 0`}},
		{&consensusv1.TreeOp{PrevValue: []byte("v")}, []string{`TYPE_WRITE "/a" "" 0`, `TYPE_READ "/a" "" 0`}},
		{&consensusv1.TreeOp{PrevIndex: 3}, []string{`TYPE_WRITE "/a" "" 0`, `TYPE_READ "/a" "" 0`}},
		{&consensusv1.TreeOp{Dir: true}, []string{`TYPE_WRITE "/a" "" 0`, `TYPE_WRITE "/a/" "/a0" 0`}},
		{&consensusv1.TreeOp{Recursive: true}, []string{`TYPE_WRITE "/a" "" 0`, `TYPE_WRITE "/a/" "/a0" 0`}},
		{&consensusv1.TreeOp{InOrder: true}, []string{`TYPE_WRITE "/a/" "/a0" 0`}},
	} {
		c.op.Path = []byte("/a")
		require.Equal(t, c.want, collect(ofTree(c.op)), c.op)
	}
}
