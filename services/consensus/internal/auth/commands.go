package auth

import (
	"bytes"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Change carries out a command and returns the state that it makes, which is s where nothing changes. Refusals are those of
// errdefs, in etcd's order of checks; what is refused has written nothing.
func Change(s *State, rows Rows, op *consensusv1.AuthOp) (*State, error) {
	var kept keptRows
	c := newChange(s, &kept)
	if err := c.carryOut(op); err != nil {
		return nil, err
	}
	c.write()
	kept.write(rows)
	if c.begun {
		remember(c)
	}
	return c.State, nil
}

func (c *change) carryOut(op *consensusv1.AuthOp) (err error) {
	switch o := op.GetOp().(type) {
	case *consensusv1.AuthOp_Enable:
		err = enableAuth(c, o.Enable)
	case *consensusv1.AuthOp_Disable:
		disableAuth(c)
	case *consensusv1.AuthOp_UserAdd:
		err = c.addUser(o.UserAdd)
	case *consensusv1.AuthOp_UserDelete:
		err = c.deleteUser(o.UserDelete)
	case *consensusv1.AuthOp_UserChangePassword:
		err = c.changePassword(o.UserChangePassword)
	case *consensusv1.AuthOp_UserGrantRole:
		err = c.grantRole(o.UserGrantRole)
	case *consensusv1.AuthOp_UserRevokeRole:
		err = c.revokeRole(o.UserRevokeRole)
	case *consensusv1.AuthOp_RoleAdd:
		err = c.addRole(o.RoleAdd)
	case *consensusv1.AuthOp_RoleDelete:
		err = c.deleteRole(o.RoleDelete)
	case *consensusv1.AuthOp_RoleGrantPermission:
		err = c.grantPermission(o.RoleGrantPermission)
	case *consensusv1.AuthOp_RoleRevokePermission:
		err = c.revokePermission(o.RoleRevokePermission)
	case *consensusv1.AuthOp_ExtendTokens:
		extendTokens(c, o.ExtendTokens)
	case *consensusv1.AuthOp_Steps:
		err = takeSteps(c, o.Steps)
	default:
		return fmt.Errorf("unknown change of users and roles %T: a newer version of the program has written it, which this member must run too", op.GetOp())
	}
	return err
}

func enableAuth(c *change, op *consensusv1.AuthEnableOp) error {
	root := c.User(Root)
	switch {
	case c.Enabled() && len(c.settings.GetTokenSecret()) == 0: // it was imported
		c.set(func(settings *consensusv1.AuthSettings) { settings.TokenSecret = op.GetTokenSecret() })
		return nil
	case c.Enabled():
		return nil
	case root == nil:
		return errdefs.ErrRootUserNotExist
	case op.GetGuest():
		admitGuests(c, root)
	case !hasRole(root, Root):
		return errdefs.ErrRootRoleNotExist
	}
	c.set(func(settings *consensusv1.AuthSettings) {
		settings.Enabled, settings.TokenSecret, settings.Guest = true, op.GetTokenSecret(), op.GetGuest()
	})
	return nil
}

func disableAuth(c *change) {
	if !c.Enabled() {
		return
	}
	c.set(func(settings *consensusv1.AuthSettings) {
		settings.Enabled, settings.TokenSecret, settings.Guest = false, nil, false
		settings.Revision++
	})
	dropUses(c, c.uses.Len(), func(int64) bool { return true })
}

func (c *change) addUser(op *consensusv1.UserAddOp) error {
	switch {
	case op.GetName() == "":
		return errdefs.ErrUserEmpty
	case c.User(op.GetName()) != nil:
		return errdefs.ErrUserExists
	}
	revision := c.advance()
	c.setUser(&consensusv1.User{
		Name: op.GetName(), PasswordHash: op.GetPasswordHash(), NoPassword: op.GetNoPassword(),
		ChangedRevision: revision, PasswordRevision: revision, CreatedRevision: revision,
	})
	return nil
}

func (c *change) deleteUser(op *consensusv1.UserDeleteOp) error {
	old := c.User(op.GetName())
	switch {
	case c.Enabled() && op.GetName() == Root:
		return errdefs.ErrInvalidAuthManagement
	case old == nil:
		return errdefs.ErrUserNotFound
	}
	c.advance()
	c.users.Delete(op.GetName())
	c.changed.users[op.GetName()] = struct{}{}
	return nil
}

func (c *change) changePassword(op *consensusv1.UserChangePasswordOp) error {
	old := c.User(op.GetName())
	if old == nil {
		return errdefs.ErrUserNotFound
	}
	revision := c.advance()
	user := proto.CloneOf(old)
	user.ChangedRevision, user.PasswordRevision = revision, revision
	if !old.GetNoPassword() {
		user.PasswordHash = op.GetPasswordHash()
	}
	c.setUser(user)
	return nil
}

func (c *change) grantRole(op *consensusv1.UserGrantRoleOp) error {
	old := c.User(op.GetName())
	switch {
	case old == nil:
		return errdefs.ErrUserNotFound
	case op.GetRole() != Root && c.Role(op.GetRole()) == nil:
		return errdefs.ErrRoleNotFound
	case hasRole(old, op.GetRole()):
		return nil
	}
	user := proto.CloneOf(old)
	user.ChangedRevision = c.advance()
	user.Roles = append(user.Roles, op.GetRole())
	slices.Sort(user.Roles)
	c.setUser(user)
	return nil
}

func (c *change) revokeRole(op *consensusv1.UserRevokeRoleOp) error {
	old := c.User(op.GetName())
	switch {
	case c.Enabled() && op.GetName() == Root && op.GetRole() == Root:
		return errdefs.ErrInvalidAuthManagement
	case old == nil:
		return errdefs.ErrUserNotFound
	case !hasRole(old, op.GetRole()):
		return errdefs.ErrRoleNotGranted
	}
	c.setUser(withoutRole(old, op.GetRole(), c.advance()))
	return nil
}

func withoutRole(user *consensusv1.User, role string, revision uint64) *consensusv1.User {
	user = proto.CloneOf(user)
	user.ChangedRevision = revision
	user.Roles = slices.DeleteFunc(user.Roles, func(r string) bool { return r == role })
	return user
}

func (c *change) addRole(op *consensusv1.RoleAddOp) error {
	switch {
	case op.GetName() == "":
		return errdefs.ErrRoleEmpty
	case c.Role(op.GetName()) != nil:
		return errdefs.ErrRoleExists
	}
	revision := c.advance()
	c.setRole(&consensusv1.Role{Name: op.GetName(), ChangedRevision: revision})
	return nil
}

// deleteRole takes the role from all users who have it.
func (c *change) deleteRole(op *consensusv1.RoleDeleteOp) error {
	old := c.Role(op.GetName())
	switch {
	case c.Enabled() && op.GetName() == Root:
		return errdefs.ErrInvalidAuthManagement
	case old == nil:
		return errdefs.ErrRoleNotFound
	}
	revision := c.advance()
	c.roles.Delete(op.GetName())
	c.changed.roles[op.GetName()] = struct{}{}
	var holders []*consensusv1.User
	c.Users(func(user *consensusv1.User) bool {
		if hasRole(user, op.GetName()) {
			holders = append(holders, user)
		}
		return true
	})
	for _, user := range holders {
		c.setUser(withoutRole(user, op.GetName(), revision))
	}
	return nil
}

func (c *change) grantPermission(op *consensusv1.RoleGrantPermissionOp) error {
	granted := op.GetPermission()
	switch {
	case granted == nil:
		return errdefs.ErrPermissionNotGiven
	case !grantable(granted):
		return errdefs.ErrInvalidAuthManagement
	}
	old := c.Role(op.GetName())
	if old == nil {
		return errdefs.ErrRoleNotFound
	}
	revision := c.advance()
	role := own(c, old)
	role.ChangedRevision = revision
	if at, found := find(role, granted.GetKey(), granted.GetRangeEnd()); found {
		role.Permissions[at] = granted
	} else {
		role.Permissions = slices.Insert(role.Permissions, at, granted)
	}
	c.setRole(role)
	return nil
}

func (c *change) revokePermission(op *consensusv1.RoleRevokePermissionOp) error {
	old := c.Role(op.GetName())
	if old == nil {
		return errdefs.ErrRoleNotFound
	}
	role := own(c, old)
	at, found := find(role, op.GetKey(), op.GetRangeEnd())
	if !found {
		return errdefs.ErrPermissionNotGranted
	}
	role.Permissions = slices.Delete(role.Permissions, at, at+1)
	role.ChangedRevision = c.advance()
	c.setRole(role)
	return nil
}

// find returns where the permission of a range is in a role of own's, or where it would be: behind those of the same key.
func find(role *consensusv1.Role, key, end []byte) (at int, found bool) {
	at, _ = slices.BinarySearchFunc(role.GetPermissions(), key, func(p *consensusv1.Permission, key []byte) int { return bytes.Compare(p.GetKey(), key) })
	for ; at < len(role.GetPermissions()) && bytes.Equal(role.GetPermissions()[at].GetKey(), key); at++ {
		if bytes.Equal(role.GetPermissions()[at].GetRangeEnd(), end) {
			return at, true
		}
	}
	return at, false
}

// grantable tells whether a permission is of a range that holds something.
func grantable(p *consensusv1.Permission) bool {
	return len(p.GetKey()) > 0 && (len(p.GetRangeEnd()) == 0 || openEnded(p.GetRangeEnd()) || bytes.Compare(p.GetKey(), p.GetRangeEnd()) < 0)
}
