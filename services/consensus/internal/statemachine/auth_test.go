package statemachine

import (
	"testing"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
)

// Goal: a right that goes and comes back in one batch, as where a member catches up, is known to have gone. Method: both commands in one.
func TestRightThatGoesWithinABatchIsKnownToHaveGone(t *testing.T) {
	m := open(t)
	command := func(op *consensusv1.AuthOp) *consensusv1.Command {
		return &consensusv1.Command{Command: &consensusv1.Command_Auth{Auth: op}, Caller: &consensusv1.Caller{Internal: true}}
	}
	grant := command(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: &consensusv1.RoleGrantPermissionOp{
		Name: "ann", Permission: &consensusv1.Permission{Type: consensusv1.Permission_TYPE_READ, Key: []byte("a")},
	}}})
	revoke := command(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleRevokePermission{RoleRevokePermission: &consensusv1.RoleRevokePermissionOp{
		Name: "ann", Key: []byte("a"),
	}}})
	apply := func(index uint64, commands ...*consensusv1.Command) *auth.State {
		b := m.Begin()
		applyAll(t, b, index, commands...)
		require.NoError(t, b.Close())
		state, err := m.Auth()
		require.NoError(t, err)
		return state
	}
	user := func(name string) *consensusv1.Command {
		return command(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserAdd{UserAdd: &consensusv1.UserAddOp{Name: name}}})
	}
	role := func(name, role string) *consensusv1.Command {
		return command(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserGrantRole{UserGrantRole: &consensusv1.UserGrantRoleOp{Name: name, Role: role}}})
	}
	before := apply(
		1, user("root"), role("root", "root"), user("ann"),
		command(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleAdd{RoleAdd: &consensusv1.RoleAddOp{Name: "ann"}}}), role("ann", "ann"), grant,
		command(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{TokenSecret: auth.NewSecret()}}}),
	)
	reads := func(state *auth.State) error {
		return state.Check(&consensusv1.Caller{Name: "ann"}, auth.All(auth.Need{Key: []byte("a")}), nil)
	}
	require.NoError(t, reads(before))
	now := apply(2, revoke, grant)
	require.NoError(t, reads(now))
	between, ok := auth.Since(now, before.Enabled(), before.Revision())
	require.True(t, ok)
	require.Len(t, between, 1)
	require.Error(t, reads(between[0]))
}
