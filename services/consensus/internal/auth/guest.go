package auth

import (
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Guest is the name of the role that says what requests of the v2 API may that show nobody. It does so only where that API has
// enabled authentication: to v3 it is a role like any other, and whoever gives it permissions there opens no door with it.
const Guest = "guest"

// admitGuests makes the role guest, if there is none, and has the user root be what v2 takes for granted. Where there are users beside
// root, somebody has thought about who may do what, and guests may nothing until they are allowed to.
func admitGuests(c *change, root *consensusv1.User) {
	_ = c.grantRole(&consensusv1.UserGrantRoleOp{Name: root.GetName(), Role: Root}) // it exists
	if c.Role(Guest) != nil {
		return
	}
	role := &consensusv1.Role{Name: Guest, ChangedRevision: c.advance()}
	if c.users.Len() == 1 {
		files := Below(consensusv1.Permission_TYPE_READWRITE, []byte{'/'})
		role.Permissions = []*consensusv1.Permission{{Type: files.Type, Key: files.Key, RangeEnd: files.RangeEnd}}
	}
	c.setRole(role)
}
