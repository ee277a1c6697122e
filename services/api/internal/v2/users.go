package v2

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// user is a user as clients change it, and as they are told what became of that.
type user struct {
	User     string   `json:"user"`
	Password string   `json:"password,omitempty"`
	Roles    []string `json:"roles"`
	Grant    []string `json:"grant,omitempty"`
	Revoke   []string `json:"revoke,omitempty"`
}

// userWithRoles is a user as clients read it.
type userWithRoles struct {
	User  string  `json:"user"`
	Roles []*role `json:"roles,omitempty"`
}

func noUser(name string) error {
	return newMessageError(http.StatusNotFound, "auth: User %s does not exist.", name)
}

// rolesWithRoot adds the role that the user root has in any case.
func rolesWithRoot(name string, roles []string) []string {
	roles = slices.Clone(roles)
	if name == root && !slices.Contains(roles, root) {
		roles = append(roles, root)
		slices.Sort(roles)
	}
	return roles
}

func (e *edit) listUsers(ctx context.Context) (any, error) {
	found, err := e.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_All{All: &consensusv1.AllRead{}}})
	if err != nil {
		return nil, err
	}
	roles := make(map[string]*role)
	for _, r := range everyRole(found) {
		roles[r.Role] = r
	}
	var all struct {
		Users []*userWithRoles `json:"users"`
	}
	for _, u := range found.GetAllUsers() {
		made := &userWithRoles{User: u.GetName()}
		for _, name := range rolesWithRoot(u.GetName(), u.GetRoles()) {
			if r := roles[name]; r != nil {
				made.Roles = append(made.Roles, r)
			}
		}
		all.Users = append(all.Users, made)
	}
	return &all, nil
}

// rolesOf reads a user's roles. ok is false if there is no such user.
func (e *edit) rolesOf(ctx context.Context, name string) (roles []string, ok bool, err error) {
	found, err := e.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_User{User: &consensusv1.UserRead{Name: name}}})
	if errors.Is(err, errdefs.ErrUserNotFound) {
		return nil, false, nil
	}
	return rolesWithRoot(name, found.GetRoles()), err == nil, err
}

func (e *edit) getUser(ctx context.Context, name string) (any, error) {
	roles, ok, err := e.rolesOf(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, noUser(name)
	}
	made := &userWithRoles{User: name}
	for _, name := range roles {
		granted, ok, err := e.permissionsOf(ctx, name)
		if err != nil {
			return nil, err
		}
		if ok { // else it was deleted just now
			made.Roles = append(made.Roles, fromRole(name, granted))
		}
	}
	return made, nil
}

// putUser creates a user, or changes one: its password, its roles, or both.
func (e *edit) putUser(ctx context.Context, in *user) (status int, out any, err error) {
	changes := len(in.Grant) > 0 || len(in.Revoke) > 0
	if changes && len(in.Roles) > 0 {
		return 0, nil, newMessageError(http.StatusBadRequest, "User JSON contains both roles and grant/revoke")
	}
	roles, exists, err := e.rolesOf(ctx, in.User)
	switch {
	case err != nil:
		return 0, nil, err
	case exists && (changes || len(in.Roles) == 0):
		out, err = e.updateUser(ctx, in, roles)
		return http.StatusOK, out, err
	case changes:
		return 0, nil, noUser(in.User)
	case in.Password == "":
		return 0, nil, newMessageError(http.StatusBadRequest, "auth: Cannot create user %s with an empty password", in.User)
	case exists:
		return 0, nil, newMessageError(http.StatusConflict, "auth: User %s already exists.", in.User)
	}
	status = http.StatusCreated
	if len(in.Roles) > 0 {
		status = http.StatusOK // etcd says created of users without roles only
	}
	out, err = e.createUser(ctx, in)
	return status, out, err
}

func (e *edit) createUser(ctx context.Context, in *user) (*user, error) {
	roles := rolesWithRoot(in.User, in.Roles)
	add := &consensusv1.UserAddOp{Name: in.User, Password: in.Password}
	changes := []*consensusv1.AuthOp{{Op: &consensusv1.AuthOp_UserAdd{UserAdd: add}}}
	granted, err := e.grants(ctx, in.User, roles)
	if err != nil {
		return nil, err
	}
	if err := e.make(ctx, append(changes, granted...)); err != nil {
		return nil, err
	}
	return &user{User: in.User, Roles: roles}, nil
}

// grants returns what gives a user roles, all of which must exist.
func (e *edit) grants(ctx context.Context, name string, roles []string) ([]*consensusv1.AuthOp, error) {
	var made []*consensusv1.AuthOp
	for _, role := range roles {
		_, ok, err := e.permissionsOf(ctx, role)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, noRole(role)
		}
		op := &consensusv1.UserGrantRoleOp{Name: name, Role: role}
		made = append(made, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserGrantRole{UserGrantRole: op}})
	}
	return made, nil
}

func (e *edit) updateUser(ctx context.Context, in *user, has []string) (*user, error) {
	before := slices.Clone(has)
	for _, role := range in.Grant {
		if slices.Contains(has, role) {
			return nil, newMessageError(http.StatusConflict, "auth: Granting duplicate role %s for user %s", role, in.User)
		}
		has = append(has, role)
	}
	for _, role := range in.Revoke {
		at := slices.Index(has, role)
		if at < 0 {
			return nil, newMessageError(http.StatusConflict, "auth: Revoking ungranted role %s for user %s", role, in.User)
		}
		has = slices.Delete(has, at, at+1)
	}
	slices.Sort(has)
	if in.Password == "" && slices.Equal(before, has) {
		return nil, newMessageError(http.StatusBadRequest, "auth: User not updated. Use grant/revoke/password to update the user.")
	}
	changes, err := e.grants(ctx, in.User, in.Grant)
	if err != nil {
		return nil, err
	}
	for _, role := range in.Revoke {
		if in.User == root && role == root {
			has = rolesWithRoot(root, has) // as etcd gives it back whenever it reads the user
			continue
		}
		op := &consensusv1.UserRevokeRoleOp{Name: in.User, Role: role}
		changes = append(changes, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserRevokeRole{UserRevokeRole: op}})
	}
	if in.Password != "" {
		op := &consensusv1.UserChangePasswordOp{Name: in.User, Password: in.Password}
		changes = append(changes, &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserChangePassword{UserChangePassword: op}})
	}
	if err := e.make(ctx, changes); err != nil {
		return nil, err
	}
	if has == nil {
		has = []string{}
	}
	return &user{User: in.User, Roles: has}, nil
}

func (e *edit) deleteUser(ctx context.Context, name string) error {
	if name == root && e.enabled {
		return newMessageError(http.StatusForbidden, "auth: Cannot delete root user while auth is enabled.")
	}
	err := e.make(ctx, []*consensusv1.AuthOp{{Op: &consensusv1.AuthOp_UserDelete{UserDelete: &consensusv1.UserDeleteOp{Name: name}}}})
	if errors.Is(err, errdefs.ErrUserNotFound) {
		return newMessageError(http.StatusNotFound, "auth: User %s does not exist", name)
	}
	return err
}
