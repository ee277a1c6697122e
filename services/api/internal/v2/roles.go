package v2

import (
	"context"
	"errors"
	"net/http"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// root is the name of the user and of the role that may do everything.
const root = "root"

// rwPatterns are what may be read and written. A list that was never given is null.
type rwPatterns struct {
	Read  []string `json:"read"`
	Write []string `json:"write"`
}

// permissions are what a role may.
type permissions struct {
	KV rwPatterns `json:"kv"`
}

func (p *permissions) empty() bool { return p == nil || len(p.KV.Read) == 0 && len(p.KV.Write) == 0 }

// patterns are all that there are.
func (p *permissions) patterns() []string {
	if p == nil {
		return nil
	}
	return append(append([]string(nil), p.KV.Read...), p.KV.Write...)
}

// role is a role as clients see it, and with grant and revoke as they change it.
type role struct {
	Role        string       `json:"role"`
	Permissions permissions  `json:"permissions"`
	Grant       *permissions `json:"grant,omitempty"`
	Revoke      *permissions `json:"revoke,omitempty"`
}

// rootRole is always there.
func rootRole() *role {
	return &role{Role: root, Permissions: permissions{rwPatterns{Read: []string{"/*"}, Write: []string{"/*"}}}}
}

func fromRole(name string, granted []*consensusv1.Permission) *role {
	if name == root {
		return rootRole()
	}
	return &role{Role: name, Permissions: permissions{shown(rightsOf(granted))}}
}

var errRootRole = newMessageError(http.StatusForbidden, "auth: Cannot modify role root: is root role.")

func noRole(name string) error {
	return newMessageError(http.StatusNotFound, "auth: Role %s does not exist.", name)
}

func (e *edit) listRoles(ctx context.Context) (any, error) {
	found, err := e.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_All{All: &consensusv1.AllRead{}}})
	if err != nil {
		return nil, err
	}
	return &struct {
		Roles []*role `json:"roles"`
	}{everyRole(found)}, nil
}

// everyRole is the roles in order, root among them whether it is stored or not.
func everyRole(found *consensusv1.ReadAuthResponse) []*role {
	var all []*role
	rooted := false
	for _, r := range found.GetAllRoles() {
		if !rooted && r.GetName() >= root {
			all, rooted = append(all, rootRole()), true
		}
		if r.GetName() != root {
			all = append(all, fromRole(r.GetName(), r.GetPermissions()))
		}
	}
	if !rooted {
		all = append(all, rootRole())
	}
	return all
}

// permissionsOf reads a role's permissions. ok is false if there is no such role.
func (e *edit) permissionsOf(ctx context.Context, name string) (granted []*consensusv1.Permission, ok bool, err error) {
	if name == root {
		return nil, true, nil
	}
	found, err := e.read(ctx, &consensusv1.ReadAuthRequest{Read: &consensusv1.ReadAuthRequest_Role{Role: &consensusv1.RoleRead{Name: name}}})
	if errors.Is(err, errdefs.ErrRoleNotFound) {
		return nil, false, nil
	}
	return found.GetPermissions(), err == nil, err
}

func (e *edit) getRole(ctx context.Context, name string) (any, error) {
	granted, ok, err := e.permissionsOf(ctx, name)
	if err == nil && !ok {
		err = noRole(name)
	}
	if err != nil {
		return nil, err
	}
	return fromRole(name, granted), nil
}

func (e *edit) putRole(ctx context.Context, in *role) (status int, out any, err error) {
	for _, given := range []*permissions{&in.Permissions, in.Grant, in.Revoke} {
		for _, pattern := range given.patterns() {
			if pattern == "" {
				return 0, nil, newMessageError(http.StatusBadRequest, "auth: a path of role %s is empty: it must be a key, or a prefix and *", in.Role)
			}
		}
	}
	switch {
	case in.Grant.empty() && in.Revoke.empty():
		return http.StatusCreated, in, e.createRole(ctx, in)
	case !in.Permissions.empty():
		return 0, nil, newMessageError(http.StatusBadRequest, "Role JSON contains both permissions and grant/revoke")
	}
	out, err = e.updateRole(ctx, in)
	return http.StatusOK, out, err
}

func (e *edit) createRole(ctx context.Context, in *role) error {
	if in.Role == root {
		return errRootRole
	}
	to := map[span]rights{}
	permit(to, &in.Permissions)
	add := &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleAdd{RoleAdd: &consensusv1.RoleAddOp{Name: in.Role}}}
	err := e.make(ctx, append([]*consensusv1.AuthOp{add}, steps(in.Role, nil, to)...))
	if errors.Is(err, errdefs.ErrRoleExists) {
		return newMessageError(http.StatusConflict, "auth: Role %s already exists.", in.Role)
	}
	return err
}

// permit adds to rights what patterns stand for.
func permit(to map[span]rights, given *permissions) { mark(to, given, true) }

// revoke takes what patterns stand for. What was not granted does not matter.
func revoke(to map[span]rights, given *permissions) {
	if given != nil {
		mark(to, given, false)
	}
}

func mark(of map[span]rights, given *permissions, may bool) {
	for _, pattern := range given.KV.Read {
		has := of[spanOf(pattern)]
		has.read = may
		of[spanOf(pattern)] = has
	}
	for _, pattern := range given.KV.Write {
		has := of[spanOf(pattern)]
		has.write = may
		of[spanOf(pattern)] = has
	}
}

func (e *edit) updateRole(ctx context.Context, in *role) (*role, error) {
	if in.Role == root {
		return nil, errRootRole
	}
	granted, ok, err := e.permissionsOf(ctx, in.Role)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, noRole(in.Role)
	}
	from, to := rightsOf(granted), rightsOf(granted)
	if err := grant(to, in.Grant); err != nil {
		return nil, err
	}
	revoke(to, in.Revoke)
	changes := steps(in.Role, from, to)
	if len(changes) == 0 {
		return nil, newMessageError(http.StatusBadRequest, "auth: Role not updated. Use grant/revoke to update the role.")
	}
	if err := e.make(ctx, changes); err != nil {
		return nil, err
	}
	made := &role{Role: in.Role, Permissions: permissions{shown(to)}}
	if made.Permissions.KV.Read == nil {
		made.Permissions.KV = rwPatterns{Read: []string{}, Write: []string{}}
	}
	return made, nil
}

// grant is permit for what must not be allowed already.
func grant(to map[span]rights, given *permissions) error {
	if given == nil {
		return nil
	}
	for _, pattern := range given.KV.Read {
		if to[spanOf(pattern)].read {
			return newMessageError(http.StatusConflict, "auth: Granting duplicate read permission %s", pattern)
		}
		permit(to, &permissions{rwPatterns{Read: []string{pattern}}})
	}
	for _, pattern := range given.KV.Write {
		if to[spanOf(pattern)].write {
			return newMessageError(http.StatusConflict, "auth: Granting duplicate write permission %s", pattern)
		}
		permit(to, &permissions{rwPatterns{Write: []string{pattern}}})
	}
	return nil
}

func (e *edit) deleteRole(ctx context.Context, name string) error {
	if name == root {
		return errRootRole
	}
	err := e.make(ctx, []*consensusv1.AuthOp{{Op: &consensusv1.AuthOp_RoleDelete{RoleDelete: &consensusv1.RoleDeleteOp{Name: name}}}})
	if errors.Is(err, errdefs.ErrRoleNotFound) {
		return newMessageError(http.StatusNotFound, "auth: Role %s doesn't exist.", name)
	}
	return err
}
