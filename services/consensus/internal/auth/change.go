package auth

import (
	"bytes"
	"maps"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// change is a state in the making: begin gives it a copy of its own before the first write. What has become of settings, users and roles is
// written once, at its end: a change of many steps touches the same role again and again, and to write or copy it each time would take
// the square of their number.
type change struct {
	*State
	before *State
	rows   Rows
	begun  bool
	// users and roles are the names of those that were changed. Nobody else has seen what they are now.
	changed struct{ users, roles map[string]struct{} }
}

func newChange(s *State, rows Rows) *change {
	c := &change{State: s, before: s, rows: rows}
	c.changed.users, c.changed.roles = make(map[string]struct{}), make(map[string]struct{})
	return c
}

// write writes what has changed.
func (c *change) write() {
	if c.settings != c.before.settings && !proto.Equal(c.settings, c.before.settings) {
		var old []byte // nothing is stored of those that a state begins with
		if c.before.Revision() > firstRevision {
			old = encode(c.before.settings)
		}
		c.rows.SetRecord(recordSettings, old, encode(c.settings))
	}
	for _, name := range slices.Sorted(maps.Keys(c.changed.users)) {
		writeRecord(c.rows, prefixUser+name, c.before.User(name), c.User(name))
	}
	for _, name := range slices.Sorted(maps.Keys(c.changed.roles)) {
		writeRecord(c.rows, prefixRole+name, c.before.Role(name), c.Role(name))
	}
}

func (c *change) begin() {
	if c.begun {
		return
	}
	c.begun = true
	c.State = &State{
		settings: proto.CloneOf(c.settings), users: c.users.Copy(), roles: c.roles.Copy(), uses: c.uses.Copy(), ending: c.ending.Copy(),
		rights: c.rights, past: pastAfter(c.State), replaced: make(chan struct{}), once: new(sync.Once),
	}
}

// advance begins a change of users, roles or permissions, and returns its auth revision.
func (c *change) advance() uint64 {
	c.set(func(settings *consensusv1.AuthSettings) { settings.Revision++ })
	c.rights = newRightsCache()
	return c.settings.GetRevision()
}

// set changes the settings.
func (c *change) set(how func(*consensusv1.AuthSettings)) {
	c.begin()
	how(c.settings)
}

func (c *change) setUser(user *consensusv1.User) {
	c.users.Set(user.GetName(), user)
	c.changed.users[user.GetName()] = struct{}{}
}

func (c *change) setRole(role *consensusv1.Role) {
	c.roles.Set(role.GetName(), role)
	c.changed.roles[role.GetName()] = struct{}{}
}

// own returns a role that this change alone knows, with its permissions in the order of their keys. The permissions are those of the role before, and are
// never changed: states that are remembered share them.
func own(c *change, role *consensusv1.Role) *consensusv1.Role {
	if _, mine := c.changed.roles[role.GetName()]; mine {
		return role
	}
	role = &consensusv1.Role{Name: role.GetName(), Permissions: slices.Clone(role.GetPermissions()), ChangedRevision: role.GetChangedRevision()}
	if !slices.IsSortedFunc(role.Permissions, byKey) {
		slices.SortStableFunc(role.Permissions, byKey)
	}
	return role
}

func byKey(a, b *consensusv1.Permission) int { return bytes.Compare(a.GetKey(), b.GetKey()) }
