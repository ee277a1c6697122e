package check

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

// ofUsers is a small history of a user with a right that comes and goes, for tests to break. Times are in milliseconds.
type ofUsers struct {
	stored   history.Stored
	changes  []history.RightChange
	requests []history.UserRequest
	ops      []history.Operation
	watches  []history.UserWatch
	calm     []history.Calm
}

var right = history.Right{User: "u", Prefix: "p/"}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func change(grant bool, call, back int) history.RightChange {
	return history.RightChange{Right: right, Grant: grant, Call: ms(call), Return: ms(back)}
}

func (u *ofUsers) request(call, back int, access history.Access, value string) {
	step := history.Step{Kind: history.Put, Key: "p/a", Value: value}
	u.requests = append(u.requests, history.UserRequest{
		Right: right, Access: access, Operation: history.Operation{Call: ms(call), Return: ms(back), Then: []history.Step{step}},
	})
}

// write makes what another, who may always, writes, and what it leads to.
func (u *ofUsers) write(call, back int, revision int64, value string) history.Event {
	e := history.Entry{Key: "p/a", Value: value, Mod: revision}
	u.ops = append(u.ops, answered(call, back, revision, []history.Result{{}}, put(e)))
	u.stored = append(u.stored, history.Revision{Number: revision, Events: []history.Event{{Entry: e}}})
	return history.Event{Entry: e}
}

// goodUsers is a run in which the right is there from 100 to 200, gone from 210 to 300, and there again from 310 on; the watch sees all that is written
// while it is there.
func goodUsers() *ofUsers {
	u := &ofUsers{
		changes: []history.RightChange{change(true, 90, 100), change(false, 200, 210), change(true, 300, 310)},
		calm:    []history.Calm{{Begin: ms(1000), End: ms(2000)}},
	}
	u.request(10, 20, history.Denied, "1")
	u.request(95, 98, history.Allowed, "2") // the grant is under way
	u.request(110, 120, history.Allowed, "3")
	u.request(205, 215, history.Denied, "4") // so is the revoke
	u.request(205, 216, history.Allowed, "5")
	u.request(220, 230, history.Denied, "6")
	u.request(320, 330, history.Allowed, "7")
	u.request(400, 900, history.Undetermined, "8")
	first := u.write(130, 140, 2, "a")
	u.write(240, 250, 3, "b")
	u.write(255, 305, 4, "c")
	second := u.write(340, 350, 5, "d")
	u.watches = []history.UserWatch{
		{Right: right, Created: true, Call: ms(105), CreatedAt: ms(106), End: ms(208), Denied: true, Events: []history.Seen{{Event: first, At: ms(141)}}},
		{Right: right, Call: ms(220), End: ms(221), Denied: true},
		{Right: right, Created: true, Call: ms(312), CreatedAt: ms(315), End: ms(3000), Events: []history.Seen{{Event: second, At: ms(351)}}},
	}
	return u
}

func (u *ofUsers) judge() map[string]Verdict {
	placed := Placements{}
	for i := range u.ops {
		placed[&u.ops[i]] = Placement{Revision: u.ops[i].Revision}
	}
	return map[string]Verdict{
		"rights":  Rights(u.stored, u.changes, u.requests, u.calm),
		"watches": UserWatches(placed, u.changes, u.watches, u.calm),
	}
}

// Goal: users who are answered with the right and denied without it pass, also while a change of it is under way. Method: the history that the tests
// below break.
func TestGoodUsersPass(t *testing.T) {
	for name, v := range goodUsers().judge() {
		require.Empty(t, v.Violations, name)
		require.False(t, v.Failed(), name)
	}
	require.Equal(t, 4, goodUsers().judge()["rights"].Checked, "only what lies wholly in a certain time counts")
}

// Goal: each way in which rights may count wrongly is found. Method: break the good history.
func TestUsersWhoGetWhatTheyMayNot(t *testing.T) {
	for _, c := range []struct {
		name        string
		wreck       func(*ofUsers)
		fails, says string
	}{
		{"answer before any grant", func(u *ofUsers) { u.requests[0].Access = history.Allowed }, "rights", "without the right"},
		{"answer after a revoke", func(u *ofUsers) { u.requests[5].Access = history.Allowed }, "rights", "without the right"},
		{"answer under a prefix that was never granted", func(u *ofUsers) { u.requests[2].Prefix = "q/" }, "rights", "without the right"},
		{"denial after a grant", func(u *ofUsers) { u.requests[2].Access = history.Denied }, "rights", "had the right"},
		{"denial after a second grant", func(u *ofUsers) { u.requests[6].Access = history.Denied }, "rights", "had the right"},
		{"denied write that happened", func(u *ofUsers) { u.write(222, 228, 6, "6") }, "rights", "wrote revision 6"},
		{"nothing asked without the right", func(u *ofUsers) { u.requests = u.requests[2:3] }, "rights", ""},
		{"event of after the revoke, shown at once", func(u *ofUsers) {
			u.watches[0].End = ms(260)
			u.show(0, 1, 251)
		}, "watches", "was shown"},
		{"event without an answer of after the revoke, shown at once", func(u *ofUsers) {
			u.ops[2].Outcome = history.Unknown
			u.watches[1].Created, u.watches[1].CreatedAt = true, ms(221)
			u.show(1, 2, 260)
		}, "watches", "was shown"},
		{"event of after the revoke, shown by the next watch", func(u *ofUsers) { u.show(2, 1, 320) }, "watches", "was shown"},
		{"watch that lives through the revoke", func(u *ofUsers) {
			u.watches[0].End = ms(360)
			u.show(0, 3, 351)
		}, "watches", "was shown"},
		{"event outside the prefix", func(u *ofUsers) { u.watches[0].Events[0].Key = "q/a" }, "watches", "was shown"},
		{"watch that does not end", func(u *ofUsers) {
			u.changes, u.watches = u.changes[:2], u.watches[:1]
			u.watches[0].End, u.calm[0].End = ms(9000), ms(9000)
		}, "watches", "went on for"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			u := goodUsers()
			c.wreck(u)
			v := u.judge()[c.fails]
			require.True(t, v.Failed())
			require.Contains(t, strings.Join(v.Violations, "\n"), c.says)
		})
	}
}

// show has a watch shown the event of a write.
func (u *ofUsers) show(watch, write, at int) {
	w := &u.watches[watch]
	w.Events = append(w.Events, history.Seen{Event: u.stored[write].Events[0], At: ms(at)})
}

// Goal: a change without an answer leaves it open whether the right is there, from its call until the cluster has been calm for once, and no longer.
// Method: answers and denials that would be wrong had it been certain.
func TestChangesWithoutAnAnswerLeaveRightsOpen(t *testing.T) {
	unknown := func(u *ofUsers, change int) { u.changes[change].Outcome = history.Unknown }

	u := goodUsers()
	unknown(u, 1)
	u.requests[5].Access = history.Allowed
	u.request(260, 270, history.Denied, "9")
	require.Empty(t, u.judge()["rights"].Violations, "after a revoke without an answer both may be")
	u.requests[6].Access = history.Denied
	require.Empty(t, u.judge()["rights"].Violations, "such a revoke may come after the next grant")
	u.changes = append(u.changes, change(true, 2100, 2110))
	u.request(2120, 2130, history.Denied, "10")
	require.Len(t, u.judge()["rights"].Violations, 1, "but not after a calm")

	u = goodUsers()
	unknown(u, 0)
	u.requests[2].Access = history.Denied
	require.Empty(t, u.judge()["rights"].Violations)
	u.requests[5].Access = history.Allowed
	require.Empty(t, u.judge()["rights"].Violations, "a grant without an answer may come after the next revoke")
}
