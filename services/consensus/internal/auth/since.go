package auth

import (
	"bytes"
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// position orders the states of a store: enabling raises no auth revision, disabling does.
type position uint64

func positionAt(enabled bool, revision uint64) position {
	at := position(revision) << 1
	if enabled {
		at++
	}
	return at
}

func positionOf(s *State) position { return positionAt(s.Enabled(), s.Revision()) }

// past is what a state knows of those before it.
type past struct {
	// lessens says that somebody may do less than by the state before.
	lessens bool
	// lessened are the states before this one that lessen, oldest first, at most lessenedMax: without what is remembered of their users'
	// rights, and without tokens.
	lessened []*State
	// held are the bytes that each of these but the newest is the last one to hold, heldAll their sum, heldNewest those of the newest.
	held                []int64
	heldAll, heldNewest int64
	// known is the position since which lessened is whole.
	known position
}

const (
	// lessenedMax bounds how many states that lessen are remembered: as many as a member applies in the time for which another one or its
	// API may be behind. They share what has not changed.
	lessenedMax = 1000
	// heldMax bounds what they hold of users and roles that have changed since, but for the newest one.
	heldMax = 16 << 20
	// userBytes and permissionBytes are about what one takes, beside the names of roles, and the places of permissions in a role.
	userBytes, permissionBytes = 256, 256
	nameBytes, placeBytes      = 16, 8
)

// pastAfter is the past of the state that comes after s.
func pastAfter(s *State) past {
	p := s.past
	p.lessens = false
	if !s.past.lessens {
		return p
	}
	if len(p.lessened) > 0 {
		p.held = append(slices.Clip(p.held), p.heldNewest)
		p.heldAll += p.heldNewest
		p.heldNewest = 0
	}
	p.lessened = append(slices.Clip(p.lessened), &State{settings: s.settings, users: s.users, roles: s.roles})
	return p.bounded()
}

// bounded is p without the oldest states, where they are too many or hold too much.
func (p past) bounded() past {
	for len(p.lessened) > lessenedMax || len(p.lessened) > 1 && p.heldAll+p.heldNewest > heldMax {
		p.known = positionOf(p.lessened[0])
		p.heldAll -= p.held[0]
		p.lessened, p.held = p.lessened[1:], p.held[1:]
	}
	return p
}

// replaced is about how many bytes the newest of the states before would not hold without a change: the users and roles that it has replaced. What has
// come after that state nobody holds.
func replaced(c *change) (bytes int64) {
	if len(c.past.lessened) == 0 {
		return 0
	}
	newest := c.past.lessened[len(c.past.lessened)-1].Revision()
	for name := range c.changed.users {
		if user := c.before.User(name); user != nil && user.GetChangedRevision() <= newest {
			bytes += userBytes + nameBytes*int64(len(user.GetRoles()))
		}
	}
	for name := range c.changed.roles {
		if role := c.before.Role(name); role != nil && role.GetChangedRevision() <= newest {
			was, is := len(role.GetPermissions()), len(c.Role(name).GetPermissions())
			bytes += placeBytes*int64(was) + permissionBytes*int64(1+max(0, was-is))
		}
	}
	return bytes
}

// remember has the state that a change has made know what those before it hold.
func remember(c *change) {
	c.past.lessens = lessens(c)
	c.past.heldNewest += replaced(c)
	c.past = c.past.bounded()
}

// Since returns the states after the one that was told as enabled and revision, up to and without s, by which somebody may do less than by
// the one before: who may do something by all of them, and by s, might do so all along. ok is false where not all of them are known any
// more, or never were: a state that was loaded knows none before it. The states resolve no tokens.
func Since(s *State, enabled bool, revision uint64) (states []*State, ok bool) {
	since := positionAt(enabled, revision)
	if since >= positionOf(s) {
		return nil, true
	}
	at, _ := slices.BinarySearchFunc(s.past.lessened, since, func(l *State, since position) int {
		if positionOf(l) > since {
			return 1
		}
		return -1
	})
	return s.past.lessened[at:], since >= s.past.known
}

// lessens tells whether somebody may do less now than before the change.
func lessens(c *change) bool {
	if c.Enabled() && !c.before.Enabled() {
		return true
	}
	for name := range c.changed.users {
		// That it is another user of the same name needs no look back: a caller who is one of them is told so by the newest state.
		before, now := c.before.User(name), c.User(name)
		if before != nil && (now == nil || !containsAll(now.GetRoles(), before.GetRoles())) {
			return true
		}
	}
	for name := range c.changed.roles {
		if !permitsAll(c.Role(name).GetPermissions(), c.before.Role(name).GetPermissions()) {
			return true
		}
	}
	return false
}

func containsAll(roles, of []string) bool {
	return !slices.ContainsFunc(of, func(role string) bool { return !slices.Contains(roles, role) })
}

// permitsAll tells whether each permission of others is among permissions, with the same type.
func permitsAll(permissions, others []*consensusv1.Permission) bool {
	permissions, others = ordered(permissions), ordered(others)
	for _, other := range others {
		for len(permissions) > 0 && compare(permissions[0], other) < 0 {
			permissions = permissions[1:]
		}
		if len(permissions) == 0 || compare(permissions[0], other) != 0 || permissions[0].GetType() != other.GetType() {
			return false
		}
	}
	return true
}

func ordered(permissions []*consensusv1.Permission) []*consensusv1.Permission {
	if !slices.IsSortedFunc(permissions, compare) {
		permissions = slices.SortedFunc(slices.Values(permissions), compare)
	}
	return permissions
}

func compare(a, b *consensusv1.Permission) int {
	if c := byKey(a, b); c != 0 {
		return c
	}
	return bytes.Compare(a.GetRangeEnd(), b.GetRangeEnd())
}
