package auth

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: a right that was taken and given back is known to have gone, and one that was there all along to have stayed, whatever has changed beside
// it. Method: random changes of every kind; each state that there was is asked, and so are those that Since returns.
func TestSinceTellsWhatHasGone(t *testing.T) {
	gone, stayed := 0, 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 7))
		k := locked(t)
		states := []*State{k.state}
		for range 40 {
			if k.change(randomChange(r, 2)) == nil {
				states = append(states, k.state)
			}
		}
		for range 200 {
			caller := []*consensusv1.Caller{
				{Name: "ann"}, {Name: "ann", User: k.state.Which("ann")}, {Name: "bob"}, {Name: Guest, Guest: true}, {Name: "eve", External: true, Roles: []string{"ann", "other"}},
			}[r.IntN(5)]
			needs := All(Need{Type: reads, Key: []byte([]string{"a", "b"}[r.IntN(2)]), RangeEnd: []byte([]string{"", "c"}[r.IntN(2)])})
			from := r.IntN(len(states))
			if states[from].Check(caller, needs, nil) != nil || k.state.Check(caller, needs, nil) != nil {
				continue
			}
			want := true
			for _, was := range states[from:] {
				want = want && was.Check(caller, needs, nil) == nil
			}
			got := true
			between, ok := Since(k.state, states[from].Enabled(), states[from].Revision())
			require.True(t, ok)
			for _, was := range between {
				got = got && was.Check(caller, needs, nil) == nil
			}
			require.Equal(t, want, got, "seed %d, from state %d of %d, %v", seed, from, len(states), caller)
			if want {
				stayed++
			} else {
				gone++
			}
		}
	}
	require.Greater(t, gone, 100)
	require.Greater(t, stayed, 1000)
}

// randomChange is any change; steps may hold some of them.
func randomChange(r *rand.Rand, depth int) *consensusv1.AuthOp {
	user, role := []string{"ann", "bob"}[r.IntN(2)], []string{"ann", "other", Guest}[r.IntN(3)]
	kind := consensusv1.Permission_Type(r.IntN(3))
	key, end := []string{"a", "b"}[r.IntN(2)], []string{"c", "d", ""}[r.IntN(3)]
	switch r.IntN(16) {
	case 0:
		return addUser(user)
	case 1:
		return deleteUser(user)
	case 2:
		return changePassword(user)
	case 3, 4:
		return grantRole(user, role)
	case 5:
		return revokeRole(user, role)
	case 6:
		return addRole(role)
	case 7:
		return deleteRole(role)
	case 8:
		return revokePermission(role, key, end)
	case 9:
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{TokenSecret: NewSecret(), Guest: r.IntN(2) == 0}}}
	case 10:
		return disable()
	case 11: // another one of the name, with the same roles
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Steps{Steps: &consensusv1.AuthSteps{Steps: []*consensusv1.AuthOp{deleteUser(user), addUser(user), grantRole(user, role)}}}}
	case 12:
		var ops []*consensusv1.AuthOp
		for range r.IntN(4) * min(depth-1, 1) {
			ops = append(ops, randomChange(r, depth-1))
		}
		return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Steps{Steps: &consensusv1.AuthSteps{Steps: ops}}}
	default:
		return grantPermission(role, kind, key, end)
	}
}

// Goal: what is remembered of former states is bounded, what gives rights alone takes none of it, and a state that was loaded says that it knows
// none. Method: many changes of both kinds.
func TestPastIsBounded(t *testing.T) {
	k := locked(t)
	k.must(grantPermission("ann", reads, "a", "b"))
	first := k.state
	for i := range lessenedMax + 10 {
		var err error
		k.state, err = Change(k.state, k.rows, addUser(fmt.Sprintf("u%04d", i)))
		require.NoError(t, err)
	}
	between, ok := Since(k.state, first.Enabled(), first.Revision())
	require.True(t, ok)
	require.Empty(t, between)
	for i := range lessenedMax {
		var err error
		k.state, err = Change(k.state, k.rows, deleteUser(fmt.Sprintf("u%04d", i)))
		require.NoError(t, err)
	}
	between, ok = Since(k.state, first.Enabled(), first.Revision())
	require.True(t, ok)
	require.Len(t, between, lessenedMax-1, "the newest one is asked itself")
	k.must(deleteUser("u1000"))
	k.must(deleteUser("u1001"))
	_, ok = Since(k.state, first.Enabled(), first.Revision())
	require.False(t, ok)
	between, ok = Since(k.state, true, first.Revision()+lessenedMax+11)
	require.True(t, ok)
	require.Len(t, between, lessenedMax)
	require.LessOrEqual(t, len(k.state.past.lessened), lessenedMax)

	loaded, err := Load(k.rows.each)
	require.NoError(t, err)
	between, ok = Since(loaded, loaded.Enabled(), loaded.Revision())
	require.True(t, ok)
	require.Empty(t, between)
	_, ok = Since(loaded, loaded.Enabled(), loaded.Revision()-1)
	require.False(t, ok)
}

// Goal: permissions that are taken from a role one after the other leave no copy of all others behind, as many as there are states before. Method: a role of
// many, and the heap before and after.
func TestThePastSharesWhatHasNotChanged(t *testing.T) {
	const permissions, taken = 2000, 300
	k := locked(t)
	k.must(roleOf("many", permissions))
	before := heap()
	for i := range taken {
		k.must(revokePermission("many", tenant(i), ""))
	}
	require.GreaterOrEqual(t, len(k.state.past.lessened), taken-1)
	require.Less(t, heap()-before, int64(taken*permissions*userBytes/8), "a permission with its key takes more")
}

// Goal: what states before hold alone is bounded, and what is forgotten for it is known to be. Method: a large role that is there when a user
// goes, and goes itself then, again and again, until that is too much.
func TestThePastHoldsBoundedMemory(t *testing.T) {
	const permissions, most = heldMax / 3 / permissionBytes, 3
	k := locked(t)
	first := k.state
	for range most + 2 {
		k.must(roleOf("many", permissions))
		k.must(addUser("eve"))
		k.must(deleteUser("eve"))
		k.must(deleteRole("many"))
	}
	past := k.state.past
	require.LessOrEqual(t, past.heldAll+past.heldNewest, int64(heldMax))
	require.NotEmpty(t, past.lessened)
	require.LessOrEqual(t, len(past.lessened), 2*most)
	require.Len(t, past.held, len(past.lessened)-1)
	_, ok := Since(k.state, first.Enabled(), first.Revision())
	require.False(t, ok)
	oldest := past.lessened[0]
	between, ok := Since(k.state, oldest.Enabled(), oldest.Revision())
	require.True(t, ok)
	require.Len(t, between, len(past.lessened)-1)
}

func tenant(i int) string { return fmt.Sprintf("/tenants/%06d/", i) }

// roleOf makes a role with so many permissions.
func roleOf(name string, permissions int) *consensusv1.AuthOp {
	steps := &consensusv1.AuthSteps{Steps: []*consensusv1.AuthOp{addRole(name)}}
	for i := range permissions {
		steps.Steps = append(steps.Steps, grantPermission(name, reads, tenant(i), ""))
	}
	return &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Steps{Steps: steps}}
}

// heap is how many bytes are reachable.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
