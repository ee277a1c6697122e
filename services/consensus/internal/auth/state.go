package auth

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/btree"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Root is the name of the user and of the role that may do everything, and without which authentication is not enabled.
const Root = "root"

// State is users, roles and permissions at one moment. It is immutable: a change makes another one, which shares what did not
// change. Its methods may be called concurrently.
type State struct {
	settings *consensusv1.AuthSettings
	users    *btree.Map[string, *consensusv1.User]
	roles    *btree.Map[string, *consensusv1.Role]
	// uses are the ends of tokens that are in use for longer than they were made for, in nanoseconds since 1970, by id; ending has
	// them in the order in which they end.
	uses   *btree.Map[string, int64]
	ending *btree.Map[string, struct{}]
	// rights are what users may, as far as somebody has asked: see rightsOf.
	rights *rightsCache
	past   past
	// replaced is closed once there is another state.
	replaced chan struct{}
	once     *sync.Once
}

// firstRevision is the auth revision before anything was changed, as in etcd.
const firstRevision = 1

// Empty returns the state of a store that was just made.
func Empty() *State {
	s := &State{
		settings: &consensusv1.AuthSettings{Revision: firstRevision},
		users:    new(btree.Map[string, *consensusv1.User]),
		roles:    new(btree.Map[string, *consensusv1.Role]),
		uses:     new(btree.Map[string, int64]),
		ending:   new(btree.Map[string, struct{}]),
		rights:   newRightsCache(),
		replaced: make(chan struct{}),
		once:     new(sync.Once),
	}
	s.past.known = positionOf(s)
	return s
}

// Load makes a state of the records that changes have written; each calls its function with every record of the store.
func Load(each func(fn func(name string, value []byte) error) error) (*State, error) {
	s := Empty()
	err := each(func(name string, value []byte) error {
		if err := s.load(name, value); err != nil {
			return fmt.Errorf("record %q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load users and roles: %w", err)
	}
	s.past.known = positionOf(s)
	return s, nil
}

func (s *State) load(name string, value []byte) error {
	switch {
	case name == recordSettings:
		return proto.Unmarshal(value, s.settings)
	case strings.HasPrefix(name, prefixUser):
		user := new(consensusv1.User)
		s.users.Set(name[len(prefixUser):], user)
		return proto.Unmarshal(value, user)
	case strings.HasPrefix(name, prefixRole):
		role := new(consensusv1.Role)
		s.roles.Set(name[len(prefixRole):], role)
		return proto.Unmarshal(value, role)
	case strings.HasPrefix(name, prefixUse):
		use := new(consensusv1.TokenUse)
		if err := proto.Unmarshal(value, use); err != nil {
			return err
		}
		s.uses.Set(string(use.GetId()), use.GetExpiration())
		s.ending.Set(endingKey(use.GetExpiration(), string(use.GetId())), struct{}{})
	}
	return nil
}

// Enabled tells whether anybody's rights are asked for.
func (s *State) Enabled() bool { return s.settings.GetEnabled() }

// Revision rises with each change of users, roles and permissions.
func (s *State) Revision() uint64 { return s.settings.GetRevision() }

// Replaced is closed once Supersede was called.
func (s *State) Replaced() <-chan struct{} { return s.replaced }

// Supersede tells those who wait that there is another state. It may be called twice.
func (s *State) Supersede() { s.once.Do(func() { close(s.replaced) }) }

// User returns a user, nil if there is none of that name. It must not be changed.
func (s *State) User(name string) *consensusv1.User {
	user, _ := s.users.Get(name)
	return user
}

// Role returns a role, nil if there is none of that name. It must not be changed.
func (s *State) Role(name string) *consensusv1.Role {
	role, _ := s.roles.Get(name)
	return role
}

// Users calls fn with every user, ordered by name, until it returns false.
func (s *State) Users(fn func(*consensusv1.User) bool) {
	s.users.Scan(func(_ string, user *consensusv1.User) bool { return fn(user) })
}

// Roles calls fn with every role, ordered by name, until it returns false.
func (s *State) Roles(fn func(*consensusv1.Role) bool) {
	s.roles.Scan(func(_ string, role *consensusv1.Role) bool { return fn(role) })
}

// Exported is all of the state that outlives it elsewhere: nothing of it may be changed. Settings are nil where nothing was ever
// changed.
func (s *State) Exported() (settings *consensusv1.AuthSettings, users []*consensusv1.User, roles []*consensusv1.Role) {
	if s.Revision() == firstRevision {
		return nil, nil, nil
	}
	return s.settings, s.users.Values(), s.roles.Values()
}

func hasRole(user *consensusv1.User, role string) bool { return slices.Contains(user.GetRoles(), role) }
