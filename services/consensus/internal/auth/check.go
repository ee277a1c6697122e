package auth

import (
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Attachments tell whether a key of any of the intervals is attached to a lease.
type Attachments func(lease int64, within []Interval) (bool, error)

// identity is a caller whose name is known to be theirs.
type identity struct {
	// user is nil for names that no user has.
	user  *consensusv1.User
	name  string
	roles []string
	// external names are those of other issuers, whose roles come with them.
	external bool
}

// guests have exactly the role Guest.
var guests = identity{name: Guest, roles: []string{Guest}, external: true}

// Resolve says who a caller is, as a log entry and the answers to requests may say it: without a token, by a name that is known
// to be theirs. While authentication is not enabled, callers are not asked who they are. Errors are errdefs.ErrUserEmpty for
// nobody, ErrInvalidAuthToken, and ErrAuthOldRevision.
//
// verify says whose a token is. Nobody changes what is returned: requests share it.
func (s *State) Resolve(c *consensusv1.Caller, verify func(*State, string) (*consensusv1.Caller, error)) (*consensusv1.Caller, error) {
	switch {
	case c.GetInternal(), !s.Enabled():
		return c, nil
	case c.GetInvalid():
		return nil, errdefs.ErrInvalidAuthToken
	case c.GetToken() != "":
		return verify(s, c.GetToken())
	}
	_, err := s.identify(c)
	return c, err
}

// identify takes callers as Resolve has left them.
func (s *State) identify(c *consensusv1.Caller) (identity, error) {
	if c.GetName() == "" || c.GetToken() != "" || c.GetInvalid() {
		return identity{}, errdefs.ErrUserEmpty
	}
	if c.GetGuest() {
		if !s.settings.GetGuest() {
			return identity{}, errdefs.ErrUserEmpty
		}
		return guests, nil
	}
	if c.GetExternal() {
		return identity{name: c.GetName(), roles: c.GetRoles(), external: true}, nil
	}
	user := s.User(c.GetName())
	if c.GetUser() != 0 && c.GetUser() != which(user) {
		user = nil
	}
	if c.GetRevision() != 0 && user != nil && c.GetRevision() < s.changed(user) {
		return identity{}, errdefs.ErrAuthOldRevision
	}
	return identity{user: user, name: c.GetName(), roles: user.GetRoles()}, nil
}

// Which tells a user from others who had, or will have, the same name; 0 for none of that name.
func (s *State) Which(name string) uint64 { return which(s.User(name)) }

func which(user *consensusv1.User) uint64 {
	if user == nil {
		return 0
	}
	return user.GetCreatedRevision() + 1 // of users from elsewhere it is 0
}

// changed is the auth revision of the last change that touches a user: of the user, or of a role of theirs.
func (s *State) changed(user *consensusv1.User) uint64 {
	newest := user.GetChangedRevision()
	for _, role := range user.GetRoles() {
		newest = max(newest, s.Role(role).GetChangedRevision())
	}
	return newest
}

// exempt tells callers who may do everything.
func (s *State) exempt(c *consensusv1.Caller) bool { return !s.Enabled() || c.GetInternal() }

// CheckAnyone refuses nobody, and names that no user has.
func (s *State) CheckAnyone(c *consensusv1.Caller) error {
	if s.exempt(c) {
		return nil
	}
	who, err := s.identify(c)
	if err == nil && who.user == nil && !who.external {
		err = errdefs.ErrPermissionDenied
	}
	return err
}

// CheckRoot refuses callers who have not the role of root.
func (s *State) CheckRoot(c *consensusv1.Caller) error {
	if s.exempt(c) {
		return nil
	}
	who, err := s.identify(c)
	switch {
	case err != nil:
		return err
	case who.user == nil && !who.external:
		return errdefs.ErrUserNotFound
	case !slices.Contains(who.roles, Root):
		return errdefs.ErrPermissionDenied
	}
	return nil
}

// CheckInternal refuses all but the store itself.
func (s *State) CheckInternal(c *consensusv1.Caller) error {
	if s.exempt(c) {
		return nil
	}
	return errdefs.ErrPermissionDenied
}

// Check refuses callers who may not do everything that is needed: errdefs.ErrPermissionDenied, and the errors of Resolve. attached is asked about
// leases; it may be nil where none is needed.
func (s *State) Check(c *consensusv1.Caller, needs Needs, attached Attachments) error {
	if s.exempt(c) {
		return nil
	}
	who, err := s.identify(c)
	if err != nil {
		return err
	}
	if who.user == nil && !who.external {
		return errdefs.ErrPermissionDenied
	}
	rights := s.rightsOf(who)
	if rights.root {
		return nil
	}
	var asked map[leaseNeed]bool
	return needs(func(n Need) error {
		if n.Lease == 0 {
			if !rights.covers(n.Type, n.Key, n.RangeEnd) {
				return errdefs.ErrPermissionDenied
			}
			return nil
		}
		of := leaseNeed{n.Lease, n.Type}
		if asked[of] {
			return nil
		}
		if asked == nil {
			asked = make(map[leaseNeed]bool)
		}
		asked[of] = true
		denied, err := attached(n.Lease, rights.gaps(n.Type))
		if err == nil && denied {
			err = errdefs.ErrPermissionDenied
		}
		return err
	})
}

// CheckRange is Resolve and Check for a range, which most requests are: with a token, whose rights are remembered, it costs a look.
func (s *State) CheckRange(c *consensusv1.Caller, tokens *Tokens, op *consensusv1.RangeOp) error {
	if s.exempt(c) {
		return nil
	}
	if c.GetToken() == "" || c.GetInvalid() {
		resolved, err := s.Resolve(c, tokens.Verify)
		if err != nil {
			return err
		}
		return s.Check(resolved, OfRange(op), nil)
	}
	is, err := tokens.verify(s, c.GetToken())
	if err != nil {
		return err
	}
	if !is.rights.covers(consensusv1.Permission_TYPE_READ, op.GetKey(), op.GetRangeEnd()) {
		return errdefs.ErrPermissionDenied
	}
	return nil
}

type leaseNeed struct {
	lease int64
	kind  consensusv1.Permission_Type
}

// MayReadUser lets users read what is stored of themselves, and root of everybody.
func (s *State) MayReadUser(c *consensusv1.Caller, name string) error {
	err := s.CheckRoot(c)
	if err != nil && c.GetName() == name && s.CheckAnyone(c) == nil {
		return nil
	}
	return err
}

// MayReadRole lets users read their roles, and root all.
func (s *State) MayReadRole(c *consensusv1.Caller, role string) error {
	err := s.CheckRoot(c)
	if err == nil {
		return nil
	}
	if who, unknown := s.identify(c); unknown == nil && slices.Contains(who.roles, role) {
		return nil
	}
	return err
}

// rightsOf says what a caller's roles may together, those that do not exist nothing.
func (s *State) rightsOf(who identity) *rights {
	if s.rights == nil { // one of those before, which are asked once or never
		return s.join(who.roles)
	}
	var whose any = who.user
	if who.user == nil {
		whose = textOf(who.roles)
	}
	if r := s.rights.get(whose); r != nil {
		return r
	}
	r := s.join(who.roles)
	s.rights.put(whose, r)
	return r
}

func (s *State) join(roles []string) *rights {
	r := &rights{root: slices.Contains(roles, Root)}
	for _, name := range roles {
		for _, p := range s.Role(name).GetPermissions() {
			i := intervalOf(p.GetKey(), p.GetRangeEnd())
			switch p.GetType() { // another number allows nothing, as in etcd
			case consensusv1.Permission_TYPE_READ:
				r.read = append(r.read, i)
			case consensusv1.Permission_TYPE_WRITE:
				r.write = append(r.write, i)
			case consensusv1.Permission_TYPE_READWRITE:
				r.read, r.write = append(r.read, i), append(r.write, i)
			}
		}
	}
	r.read, r.write = union(r.read), union(r.write)
	return r
}
