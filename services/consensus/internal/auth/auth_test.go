package auth

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// rows are the records that changes have written. They see to it that each change knows what it replaces.
type rows map[string][]byte

func (r rows) SetRecord(name string, old, value []byte) {
	r.replaces(name, old)
	r[name] = value
}

func (r rows) DropRecord(name string, old []byte) {
	r.replaces(name, old)
	delete(r, name)
}

func (r rows) replaces(name string, old []byte) {
	if stored, ok := r[name]; ok && !bytes.Equal(stored, old) || ok != (old != nil) {
		panic(fmt.Sprintf("%s is %x and not %x", name, stored, old))
	}
}

func (r rows) each(fn func(name string, value []byte) error) error {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if err := fn(name, r[name]); err != nil {
			return err
		}
	}
	return nil
}

// keeper is a state and its records, and compares the two after each change.
type keeper struct {
	t     testing.TB
	state *State
	rows  rows
}

func newKeeper(t testing.TB) *keeper { return &keeper{t: t, state: Empty(), rows: rows{}} }

func (k *keeper) change(op *consensusv1.AuthOp) error {
	k.t.Helper()
	before := maps.Clone(k.rows)
	state, err := Change(k.state, k.rows, op)
	if err != nil {
		require.Equal(k.t, before, k.rows, "what is refused writes nothing")
		return err
	}
	k.state = state
	loaded, err := Load(k.rows.each)
	require.NoError(k.t, err)
	require.Equal(k.t, dump(state), dump(loaded))
	return nil
}

// dump is all that a state holds.
func dump(s *State) string {
	text := fmt.Sprintf("%v\n", encode(s.settings))
	s.Users(func(u *consensusv1.User) bool { text += fmt.Sprintf("%v\n", encode(u)); return true })
	s.Roles(func(r *consensusv1.Role) bool { text += fmt.Sprintf("%v\n", encode(r)); return true })
	text += fmt.Sprintf("%x %v\n%x", s.uses.Keys(), s.uses.Values(), s.ending.Keys())
	return text
}

func (k *keeper) must(op *consensusv1.AuthOp) {
	k.t.Helper()
	require.NoError(k.t, k.change(op))
}

func addUser(name string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserAdd{UserAdd: &consensusv1.UserAddOp{Name: name, PasswordHash: []byte("hash of " + name)}}}
}

func deleteUser(name string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserDelete{UserDelete: &consensusv1.UserDeleteOp{Name: name}}}
}

func changePassword(name string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserChangePassword{UserChangePassword: &consensusv1.UserChangePasswordOp{Name: name, PasswordHash: []byte("new")}}}
}

func grantRole(name, role string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserGrantRole{UserGrantRole: &consensusv1.UserGrantRoleOp{Name: name, Role: role}}}
}

func revokeRole(name, role string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_UserRevokeRole{UserRevokeRole: &consensusv1.UserRevokeRoleOp{Name: name, Role: role}}}
}

func addRole(name string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleAdd{RoleAdd: &consensusv1.RoleAddOp{Name: name}}}
}

func deleteRole(name string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleDelete{RoleDelete: &consensusv1.RoleDeleteOp{Name: name}}}
}

func grantPermission(role string, kind consensusv1.Permission_Type, key, end string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: &consensusv1.RoleGrantPermissionOp{
		Name: role, Permission: &consensusv1.Permission{Type: kind, Key: []byte(key), RangeEnd: []byte(end)},
	}}}
}

func revokePermission(role, key, end string) *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleRevokePermission{RoleRevokePermission: &consensusv1.RoleRevokePermissionOp{
		Name: role, Key: []byte(key), RangeEnd: []byte(end),
	}}}
}

func enable() *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{TokenSecret: NewSecret()}}}
}

func disable() *consensusv1.AuthOp {
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Disable{Disable: &consensusv1.AuthDisableOp{}}}
}

const (
	reads  = consensusv1.Permission_TYPE_READ
	writes = consensusv1.Permission_TYPE_WRITE
	both   = consensusv1.Permission_TYPE_READWRITE
)

// locked is a state with authentication enabled and a user ann with the role of the same name.
func locked(t testing.TB) *keeper {
	k := newKeeper(t)
	for _, op := range []*consensusv1.AuthOp{addUser(Root), grantRole(Root, Root), addUser("ann"), addRole("ann"), grantRole("ann", "ann"), enable()} {
		k.must(op)
	}
	return k
}

// Goal: changes are refused with etcd's errors, in its order of checks, and the auth revision moves as etcd's does. Method: one
// change after the other.
func TestChangesFollowEtcdsRules(t *testing.T) {
	k := newKeeper(t)
	for _, step := range []struct {
		op       *consensusv1.AuthOp
		refusal  error
		revision uint64 // after it
	}{
		{enable(), errdefs.ErrRootUserNotExist, 1},
		{addUser(""), errdefs.ErrUserEmpty, 1},
		{addUser(Root), nil, 2},
		{addUser(Root), errdefs.ErrUserExists, 2},
		{enable(), errdefs.ErrRootRoleNotExist, 2},
		{grantRole("nobody", Root), errdefs.ErrUserNotFound, 2},
		{grantRole(Root, "none"), errdefs.ErrRoleNotFound, 2},
		{grantRole(Root, Root), nil, 3}, // the role of root need not exist
		{grantRole(Root, Root), nil, 3},
		{enable(), nil, 3},
		{enable(), nil, 3},
		{addRole(""), errdefs.ErrRoleEmpty, 3},
		{addRole("r"), nil, 4},
		{addRole("r"), errdefs.ErrRoleExists, 4},
		{addUser("ann"), nil, 5},
		{grantRole("ann", "r"), nil, 6},
		{revokeRole("ann", "other"), errdefs.ErrRoleNotGranted, 6},
		{revokeRole("nobody", "r"), errdefs.ErrUserNotFound, 6},
		{&consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleGrantPermission{RoleGrantPermission: &consensusv1.RoleGrantPermissionOp{Name: "none"}}}, errdefs.ErrPermissionNotGiven, 6},
		{grantPermission("none", reads, "b", "a"), errdefs.ErrInvalidAuthManagement, 6},
		{grantPermission("none", reads, "a", "b"), errdefs.ErrRoleNotFound, 6},
		{grantPermission("r", reads, "", "\x00"), errdefs.ErrInvalidAuthManagement, 6},
		{grantPermission("r", reads, "a", "b"), nil, 7},
		{grantPermission("r", writes, "a", "b"), nil, 8}, // replaced
		{revokePermission("r", "a", "c"), errdefs.ErrPermissionNotGranted, 8},
		{revokePermission("none", "a", "b"), errdefs.ErrRoleNotFound, 8},
		{revokePermission("r", "a", "b"), nil, 9},
		{deleteUser(Root), errdefs.ErrInvalidAuthManagement, 9},
		{revokeRole(Root, Root), errdefs.ErrInvalidAuthManagement, 9},
		{deleteRole(Root), errdefs.ErrInvalidAuthManagement, 9},
		{deleteUser("nobody"), errdefs.ErrUserNotFound, 9},
		{changePassword("nobody"), errdefs.ErrUserNotFound, 9},
		{changePassword("ann"), nil, 10},
		{deleteRole("none"), errdefs.ErrRoleNotFound, 10},
		{deleteRole("r"), nil, 11},
		{deleteUser("ann"), nil, 12},
		{disable(), nil, 13},
		{disable(), nil, 13},
		{deleteUser(Root), nil, 14},
	} {
		require.ErrorIs(t, k.change(step.op), step.refusal, "%v", step.op)
		require.Equal(t, step.revision, k.state.Revision(), "%v", step.op)
	}
}

// Goal: a role that is deleted is nobody's any more, and users who had not it keep theirs. Method: two users, two roles.
func TestDeletedRoleIsTakenFromItsUsers(t *testing.T) {
	k := locked(t)
	for _, op := range []*consensusv1.AuthOp{addRole("other"), grantRole("ann", "other"), addUser("bob"), grantRole("bob", "other"), deleteRole("ann")} {
		k.must(op)
	}
	require.Equal(t, []string{"other"}, k.state.User("ann").GetRoles())
	require.Equal(t, []string{"other"}, k.state.User("bob").GetRoles())
	require.Less(t, k.state.User("bob").GetChangedRevision(), k.state.User("ann").GetChangedRevision())
}

// randomKey is one of few keys, so that ranges meet.
func randomKey(r *rand.Rand) string {
	return []string{"\x00", "a", "a\x00", "ab", "b", "b\x00", "c", "d", "\xff"}[r.IntN(9)]
}

func randomEnd(r *rand.Rand) string {
	if r.IntN(3) == 0 {
		return ""
	}
	return randomKey(r)
}

// holds tells whether a key lies in a range as a request writes it. It is the plain meaning of key and range end.
func holds(key, low, end string) bool {
	switch end {
	case "":
		return key == low
	case "\x00":
		return key >= low
	}
	return key >= low && key < end
}

// Goal: rights cover a range exactly where one permission or another covers each key of it. Method: random permissions of one
// user with two roles; every key that could tell is tried on its own, which needs no joining of ranges.
func TestRightsAreThoseOfEachKey(t *testing.T) {
	keys := []string{"\x00", "\x00\x00", "a", "a\x00", "a\x00\x00", "aa", "ab", "ab\x00", "b", "b\x00", "b\x00\x00", "c", "cc", "d", "d\x00", "e", "\xff", "\xff\x00", "\xff\xff"}
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		k := locked(t)
		k.must(addRole("other"))
		k.must(grantRole("ann", "other"))
		var granted []*consensusv1.Permission
		for range r.IntN(6) {
			op := grantPermission([]string{"ann", "other"}[r.IntN(2)], consensusv1.Permission_Type(r.IntN(3)), randomKey(r), randomEnd(r))
			if k.change(op) == nil {
				granted = nil
				for _, name := range []string{"ann", "other"} {
					granted = append(granted, k.state.Role(name).GetPermissions()...)
				}
			}
		}
		may := func(kind consensusv1.Permission_Type, key string) bool {
			return slices.ContainsFunc(granted, func(p *consensusv1.Permission) bool {
				return (p.GetType() == both || p.GetType() == kind) && holds(key, string(p.GetKey()), string(p.GetRangeEnd()))
			})
		}
		for range 20 {
			kind, low, end := consensusv1.Permission_Type(r.IntN(2)), randomKey(r), randomEnd(r)
			want, any := true, false
			for _, key := range keys {
				if holds(key, low, end) {
					any, want = true, want && may(kind, key)
				}
			}
			err := k.state.Check(&consensusv1.Caller{Name: "ann"}, All(Need{Type: kind, Key: []byte(low), RangeEnd: []byte(end)}), nil)
			if any {
				require.Equal(t, want, err == nil, "seed %d: %v of %q to %q with %v", seed, kind, low, end, granted)
			}
			denied := false
			for _, gap := range k.state.join([]string{"ann", "other"}).gaps(kind) {
				denied = denied || low >= string(gap.Low) && (gap.High == nil || low < string(gap.High))
			}
			require.Equal(t, !may(kind, low), denied, "seed %d: gaps at %q", seed, low)
		}
	}
}

// Goal: an empty key stands for the smallest, as in a watch; a range that holds no key is no way around. Method: each beside the
// permissions that would be needed.
func TestOddRanges(t *testing.T) {
	k := locked(t)
	ask := func(key, end string) error {
		return k.state.Check(&consensusv1.Caller{Name: "ann"}, All(Need{Key: []byte(key), RangeEnd: []byte(end)}), nil)
	}
	k.must(grantPermission("ann", reads, "b", "d"))
	require.ErrorIs(t, ask("", "\x00"), errdefs.ErrPermissionDenied)
	require.ErrorIs(t, ask("\x00", "\x00"), errdefs.ErrPermissionDenied)
	require.ErrorIs(t, ask("b", "\x00"), errdefs.ErrPermissionDenied)
	require.ErrorIs(t, ask("x", "a"), errdefs.ErrPermissionDenied)
	require.ErrorIs(t, ask("c", "a"), errdefs.ErrPermissionDenied)
	require.NoError(t, ask("c", "b"))
	k.must(grantPermission("ann", 7, "x", "")) // a number that means nothing
	require.ErrorIs(t, ask("x", ""), errdefs.ErrPermissionDenied)
	k.must(grantPermission("ann", reads, "\x00", "\x00"))
	require.NoError(t, ask("", "\x00"))
	require.NoError(t, ask("\x00", "\x00"))
}

// Goal: what was shown once of a user holds for no other user who gets the name. Method: a user who is asked for by which one it is, and whose role and
// password change, and who is deleted and added anew; one that came with a snapshot of etcd's.
func TestNamesakesAreOthers(t *testing.T) {
	k := locked(t)
	k.must(grantPermission("ann", reads, "b", ""))
	which := k.state.Which("ann")
	ask := func(which uint64) error {
		return k.state.Check(&consensusv1.Caller{Name: "ann", User: which}, All(read([]byte("b"), nil)), nil)
	}
	k.must(changePassword("ann"))
	k.must(grantPermission("ann", reads, "c", ""))
	require.NoError(t, ask(which))
	for _, op := range []*consensusv1.AuthOp{deleteUser("ann"), addUser("ann"), grantRole("ann", "ann")} {
		k.must(op)
		require.ErrorIs(t, ask(which), errdefs.ErrPermissionDenied)
	}
	require.NoError(t, ask(k.state.Which("ann")))
	require.NoError(t, ask(0))
	k.state.users.Set("old", &consensusv1.User{Name: "old"})
	require.NotZero(t, k.state.Which("old"))
	require.Zero(t, k.state.Which("none"))
}

// Goal: what roles may together is worked out once for those whose token brought the roles too, and anew when rights have changed: it is asked
// for each command that is applied. Method: one permission of very many; the allocations of another request, and a role that changes.
func TestRightsOfTokensAreRemembered(t *testing.T) {
	k := locked(t)
	many := []*consensusv1.AuthOp{}
	for i := range 1000 {
		many = append(many, grantPermission("ann", reads, fmt.Sprintf("k%d", i), ""))
	}
	k.must(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_Steps{Steps: &consensusv1.AuthSteps{Steps: many}}})
	guest := &consensusv1.Caller{Name: "oidc:x", External: true, Roles: []string{"ann", "none"}}
	ask := func(roles []string) error {
		guest.Roles = roles
		return k.state.Check(guest, All(read([]byte("k500"), nil)), nil)
	}
	require.NoError(t, ask([]string{"ann", "none"}))
	require.ErrorIs(t, ask([]string{"an", "nnone"}), errdefs.ErrPermissionDenied)
	require.Less(t, testing.AllocsPerRun(10, func() { _ = ask([]string{"ann", "none"}) }), 50.0)
	k.must(revokePermission("ann", "k500", ""))
	require.ErrorIs(t, ask([]string{"ann", "none"}), errdefs.ErrPermissionDenied)
}

// Goal: callers are who they say only as far as it was shown. Method: each kind of caller asks for what any user may, for a key, and
// for what root may.
func TestCallers(t *testing.T) {
	k := locked(t)
	k.must(grantPermission("ann", reads, "k", ""))
	never := func(*State, string) (*consensusv1.Caller, error) { return nil, errdefs.ErrInvalidAuthToken }
	for name, test := range map[string]struct {
		caller             *consensusv1.Caller
		resolved           error
		anyone, read, root error
	}{
		"nobody":               {nil, errdefs.ErrUserEmpty, errdefs.ErrUserEmpty, errdefs.ErrUserEmpty, errdefs.ErrUserEmpty},
		"ann":                  {&consensusv1.Caller{Name: "ann"}, nil, nil, nil, errdefs.ErrPermissionDenied},
		"root":                 {&consensusv1.Caller{Name: Root}, nil, nil, nil, nil},
		"no user":              {&consensusv1.Caller{Name: "eve"}, nil, errdefs.ErrPermissionDenied, errdefs.ErrPermissionDenied, errdefs.ErrUserNotFound},
		"a bad token":          {&consensusv1.Caller{Name: "ann", Token: "x"}, errdefs.ErrInvalidAuthToken, errdefs.ErrUserEmpty, errdefs.ErrUserEmpty, errdefs.ErrUserEmpty},
		"nothing shown":        {&consensusv1.Caller{Name: "ann", Invalid: true}, errdefs.ErrInvalidAuthToken, errdefs.ErrUserEmpty, errdefs.ErrUserEmpty, errdefs.ErrUserEmpty},
		"an old revision":      {&consensusv1.Caller{Name: "ann", Revision: 3}, errdefs.ErrAuthOldRevision, errdefs.ErrAuthOldRevision, errdefs.ErrAuthOldRevision, errdefs.ErrAuthOldRevision},
		"the newest revision":  {&consensusv1.Caller{Name: "ann", Revision: k.state.Revision()}, nil, nil, nil, errdefs.ErrPermissionDenied},
		"a name from outside":  {&consensusv1.Caller{Name: "oidc:ann", External: true, Roles: []string{"ann"}}, nil, nil, nil, errdefs.ErrPermissionDenied},
		"outside with no role": {&consensusv1.Caller{Name: Root, External: true}, nil, nil, errdefs.ErrPermissionDenied, errdefs.ErrPermissionDenied},
		"the store":            {&consensusv1.Caller{Internal: true}, nil, nil, nil, nil},
	} {
		_, err := k.state.Resolve(test.caller, never)
		require.ErrorIs(t, err, test.resolved, name)
		require.ErrorIs(t, k.state.CheckAnyone(test.caller), test.anyone, name)
		require.ErrorIs(t, k.state.Check(test.caller, OfRange(&consensusv1.RangeOp{Key: []byte("k")}), nil), test.read, name)
		require.ErrorIs(t, k.state.CheckRoot(test.caller), test.root, name)
	}
	k.must(disable())
	_, err := k.state.Resolve(&consensusv1.Caller{Invalid: true}, never)
	require.NoError(t, err)
	require.NoError(t, k.state.CheckRoot(nil))
	require.NoError(t, k.state.Check(nil, OfRange(&consensusv1.RangeOp{Key: []byte("k")}), nil))
}

// Goal: a signed token outlives changes that do not touch its user, and no others. Method: a caller of one auth revision, and
// changes of this and that.
func TestSignedTokenEndsWithAChangeThatTouchesItsUser(t *testing.T) {
	k := locked(t)
	k.must(addRole("other"))
	ann := &consensusv1.Caller{Name: "ann", Revision: k.state.Revision()}
	for _, op := range []*consensusv1.AuthOp{addUser("bob"), grantPermission("other", reads, "a", ""), grantRole("bob", "other"), changePassword("bob")} {
		k.must(op)
		require.NoError(t, k.state.CheckAnyone(ann))
	}
	for _, op := range []*consensusv1.AuthOp{grantPermission("ann", reads, "a", ""), grantRole("ann", "other"), changePassword("ann"), deleteRole("other")} {
		ann.Revision = k.state.Revision()
		require.NoError(t, k.state.CheckAnyone(ann))
		k.must(op)
		require.ErrorIs(t, k.state.CheckAnyone(ann), errdefs.ErrAuthOldRevision)
	}
}

// Goal: tokens are known by every member, live on while they are in use, and end with their time, password, user and secret. Method:
// two members over the same states, a clock that is moved.
func TestTokens(t *testing.T) {
	k := locked(t)
	now := time.Unix(1_000_000, 0)
	clock := func() time.Time { return now }
	one, other := NewTokens(time.Minute, clock), NewTokens(time.Minute, clock)
	valid := func(token string) error {
		_, err := other.Verify(k.state, token)
		return err
	}
	token := one.Make(k.state, k.state.User("ann"))
	caller, err := other.Verify(k.state, token)
	require.NoError(t, err)
	require.Equal(t, "ann", caller.GetName())
	require.Nil(t, other.Extend(), "it is young")
	for i := range token {
		forged := []byte(token)
		forged[i] ^= 1
		if string(forged) != token {
			_, err := other.Verify(k.state, string(forged))
			if err == nil { // the last character has bits to spare
				require.Equal(t, len(token)-1, i)
			}
		}
	}

	for range 5 { // used now and then, for longer than its time
		now = now.Add(40 * time.Second)
		require.NoError(t, valid(token))
		op := other.Extend()
		require.Len(t, op.GetIds(), 1)
		revision := k.state.Revision()
		k.must(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_ExtendTokens{ExtendTokens: op}})
		require.Equal(t, revision, k.state.Revision())
	}
	now = now.Add(time.Minute)
	require.ErrorIs(t, valid(token), errdefs.ErrInvalidAuthToken)
	k.must(&consensusv1.AuthOp{Op: &consensusv1.AuthOp_ExtendTokens{ExtendTokens: &consensusv1.ExtendTokensOp{Ids: [][]byte{[]byte("b"), []byte("a")}, TtlNanoseconds: 1, Time: now.UnixNano()}}})
	require.Equal(t, 2, k.state.uses.Len(), "what has ended is forgotten")

	token = one.Make(k.state, k.state.User("ann"))
	k.must(addUser("bob"))
	require.NoError(t, valid(token), "what does not concern its user does not end it")
	k.must(changePassword("ann"))
	require.ErrorIs(t, valid(token), errdefs.ErrInvalidAuthToken)
	token = one.Make(k.state, k.state.User("ann"))
	k.must(deleteUser("ann"))
	k.must(addUser("ann"))
	require.ErrorIs(t, valid(token), errdefs.ErrInvalidAuthToken)
	token = one.Make(k.state, k.state.User("ann"))
	k.must(disable())
	require.Zero(t, k.state.uses.Len())
	k.must(enable())
	require.ErrorIs(t, valid(token), errdefs.ErrInvalidAuthToken)
}

// Goal: passwords are remembered until the user changes, and only right ones. Method: comparisons with all places taken, which only
// what is remembered gets past.
func TestPasswordsAreRemembered(t *testing.T) {
	p := NewPasswords(4)
	user := func(password string) *consensusv1.User {
		hash, err := p.Hash(t.Context(), password)
		require.NoError(t, err)
		return &consensusv1.User{Name: "ann", PasswordHash: hash}
	}
	ann := user("one")
	require.ErrorIs(t, p.Check(t.Context(), ann, "two", ""), errdefs.ErrAuthFailed)
	require.NoError(t, p.Check(t.Context(), ann, "one", ""))
	require.ErrorIs(t, p.Check(t.Context(), nil, "one", ""), errdefs.ErrAuthFailed)
	require.ErrorIs(t, p.Check(t.Context(), &consensusv1.User{Name: "ann", NoPassword: true}, "", ""), errdefs.ErrAuthFailed)
	_, err := p.Hash(t.Context(), string(make([]byte, 73)))
	require.ErrorIs(t, err, errdefs.ErrPasswordTooLong)
	changed := user("one")
	p.comparing.mu.free = 0
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, p.Check(gone, ann, "one", ""))
	require.ErrorIs(t, p.Check(gone, ann, "two", ""), context.Canceled)
	require.ErrorIs(t, p.Check(gone, changed, "one", ""), context.Canceled)
	require.ErrorIs(t, p.Check(gone, nil, "one", ""), context.Canceled)
}

// Goal: of many tokens none is taken for another one where they are remembered in the same place, and another secret ends all. Method:
// more tokens than are remembered, of two users, each seen twice; a state whose secret is another one.
func TestRememberedTokensAreKeptApart(t *testing.T) {
	k := locked(t)
	k.must(addUser("bob"))
	tokens := NewTokens(time.Minute, time.Now)
	users := []string{"ann", "bob"}
	var all []string
	for i := range openedMax + 1 {
		all = append(all, tokens.Make(k.state, k.state.User(users[i%2])))
	}
	for range 2 {
		for i, token := range all {
			caller, err := tokens.Verify(k.state, token)
			require.NoError(t, err)
			require.Equal(t, users[i%2], caller.GetName())
		}
	}
	k.must(disable())
	k.must(enable())
	for _, token := range all[len(all)-10:] {
		_, err := tokens.Verify(k.state, token)
		require.ErrorIs(t, err, errdefs.ErrInvalidAuthToken)
	}
}

// Goal: for a range CheckRange says what Resolve and Check do. Method: callers of all kinds, ranges within, beyond and beside what they may read, while
// rights come and go.
func TestCheckRangeIsResolveAndCheck(t *testing.T) {
	k := locked(t)
	now := time.Unix(1_000_000, 0)
	tokens := NewTokens(time.Minute, func() time.Time { return now })
	token := func(name string) *consensusv1.Caller {
		return &consensusv1.Caller{Token: tokens.Make(k.state, k.state.User(name))}
	}
	callers := []*consensusv1.Caller{
		token("ann"), token(Root),
		{Token: "none"},
		{Token: token("ann").GetToken(), Invalid: true},
		{Internal: true},
		nil,
		{Invalid: true},
		{Name: "ann"},
		{Name: "eve"},
		{Name: "x", External: true, Roles: []string{"ann"}},
		{Name: Guest, Guest: true},
	}
	outcomes := map[error]int{}
	compare := func() {
		for _, c := range callers {
			for _, r := range [][2]string{{"a", ""}, {"b", ""}, {"a", "b"}, {"a", "c"}, {"", "\x00"}, {"b", "a"}, {"k", ""}} {
				op := &consensusv1.RangeOp{Key: []byte(r[0]), RangeEnd: []byte(r[1])}
				resolved, want := k.state.Resolve(c, tokens.Verify)
				if want == nil {
					want = k.state.Check(resolved, OfRange(op), nil)
				}
				require.Equal(t, want, k.state.CheckRange(c, tokens, op), "%v %q", c, r)
				outcomes[want]++
			}
		}
	}
	for _, op := range []*consensusv1.AuthOp{
		grantPermission("ann", both, "a", "b"), grantPermission("ann", writes, "k", ""), revokeRole("ann", "ann"), grantRole("ann", "ann"), changePassword("ann"), disable(), enable(),
	} {
		compare()
		k.must(op)
	}
	callers[0], callers[1] = token("ann"), token(Root)
	compare()
	now = now.Add(time.Hour)
	compare()
	require.Len(t, outcomes, 4) // allowed, denied, a bad token, nobody
}

// BenchmarkCheck says what it costs a read that its caller is asked who they are.
func BenchmarkCheck(b *testing.B) {
	k := locked(b)
	tokens := NewTokens(time.Hour, Steady())
	caller := &consensusv1.Caller{Token: tokens.Make(k.state, k.state.User("ann"))}
	k.must(grantPermission("ann", both, "a", "b"))
	op := &consensusv1.RangeOp{Key: []byte("a")}
	for b.Loop() {
		if err := k.state.CheckRange(caller, tokens, op); err != nil {
			b.Fatal(err)
		}
	}
}
