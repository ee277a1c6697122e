package v2

import (
	"slices"
	"strings"
	"unicode/utf8"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// v2 writes a permission as a pattern: "/a/*" is everything that begins with "/a/", "/a" that path alone, and "*" everything. v3 has
// ranges of keys, so that a pattern is a prefix or a key. Of v3's other ranges v2 shows nothing.

// span is a range of keys, as permissions have it.
type span struct{ key, end string }

// everything is all keys.
var everything = span{"\x00", "\x00"}

// spanOf is what a pattern, which is not empty, stands for.
func spanOf(pattern string) span {
	prefix, ok := strings.CutSuffix(pattern, "*")
	switch {
	case !ok:
		return span{key: pattern}
	case prefix == "":
		return everything
	}
	return span{prefix, prefixEnd(prefix)}
}

// prefixEnd is the first key behind all that begin with prefix.
func prefixEnd(prefix string) string {
	end := []byte(prefix)
	for last := len(end) - 1; last >= 0; last-- {
		if end[last] < 0xff {
			end[last]++
			return string(end[:last+1])
		}
	}
	return everything.end
}

// pattern returns the pattern that stands for a range, if there is one.
func (s span) pattern() (pattern string, ok bool) {
	switch {
	case s == everything:
		return "*", true
	case !utf8.ValidString(s.key):
		return "", false
	case s.end == "":
		return s.key, !strings.HasSuffix(s.key, "*")
	}
	return s.key + "*", s.end == prefixEnd(s.key)
}

// rights are what a role may with one range.
type rights struct{ read, write bool }

func (r rights) none() bool { return !r.read && !r.write }

func (r rights) permissionType() consensusv1.Permission_Type {
	switch {
	case r.read && r.write:
		return consensusv1.Permission_TYPE_READWRITE
	case r.write:
		return consensusv1.Permission_TYPE_WRITE
	}
	return consensusv1.Permission_TYPE_READ
}

// rightsOf sorts a role's permissions by range, of which there is one each.
func rightsOf(permissions []*consensusv1.Permission) map[span]rights {
	made := make(map[span]rights, len(permissions))
	for _, p := range permissions {
		made[span{string(p.GetKey()), string(p.GetRangeEnd())}] = rights{
			read:  p.GetType() == consensusv1.Permission_TYPE_READ || p.GetType() == consensusv1.Permission_TYPE_READWRITE,
			write: p.GetType() == consensusv1.Permission_TYPE_WRITE || p.GetType() == consensusv1.Permission_TYPE_READWRITE,
		}
	}
	return made
}

// shown are the rights as v2 has them: those that are not all null are lists, in order.
func shown(of map[span]rights) (kv rwPatterns) {
	for span, may := range of {
		pattern, ok := span.pattern()
		if !ok {
			continue
		}
		if may.read {
			kv.Read = append(kv.Read, pattern)
		}
		if may.write {
			kv.Write = append(kv.Write, pattern)
		}
	}
	slices.Sort(kv.Read)
	slices.Sort(kv.Write)
	switch {
	case kv.Read == nil && kv.Write == nil:
	case kv.Read == nil:
		kv.Read = []string{}
	case kv.Write == nil:
		kv.Write = []string{}
	}
	return kv
}

// steps returns what turns the rights of a role into others.
func steps(role string, from, to map[span]rights) []*consensusv1.AuthOp {
	var changed []span
	for span := range from {
		if to[span] != from[span] {
			changed = append(changed, span)
		}
	}
	for span := range to {
		if _, was := from[span]; !was && !to[span].none() {
			changed = append(changed, span)
		}
	}
	slices.SortFunc(changed, func(a, b span) int {
		if order := strings.Compare(a.key, b.key); order != 0 {
			return order
		}
		return strings.Compare(a.end, b.end)
	})
	var made []*consensusv1.AuthOp
	for _, span := range changed {
		made = append(made, step(role, span, to[span]))
	}
	return made
}

func step(role string, of span, may rights) *consensusv1.AuthOp {
	key, end := []byte(of.key), []byte(of.end)
	if may.none() {
		op := &consensusv1.RoleRevokePermissionOp{Name: role, Key: key, RangeEnd: end}
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleRevokePermission{RoleRevokePermission: op}}
	}
	op := &consensusv1.RoleGrantPermissionOp{
		Name: role, Permission: &consensusv1.Permission{Type: may.permissionType(), Key: key, RangeEnd: end},
	}
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: op}}
}
