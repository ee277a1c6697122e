package remote

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

type (
	member  = balancer.Backend[*consensusv1.Standing]
	options = balancer.CallOptions[*consensusv1.Standing]
)

// newestLed is a member that sees a leader, of those in the latest term; nil if there is none. A member without a leader does
// not count, whatever its term: nobody has won that one yet.
func newestLed(members []*member) (newest *member) {
	for _, m := range members {
		if m.Standing.GetLeaderId() != 0 && (newest == nil || m.Standing.GetRaftTerm() > newest.Standing.GetRaftTerm()) {
			newest = m
		}
	}
	return newest
}

// leading is the member that leads, so far as it and the others know; nil if it cannot be reached. One that stands as the
// leader of an earlier term does not: it is frozen or cut off, or will say so itself in a moment.
func leading(members []*member) *member {
	newest := newestLed(members)
	if newest == nil {
		return nil
	}
	leader := newest.Standing.GetLeaderId()
	for _, m := range members {
		if m.Standing.GetMemberId() == leader && m.Standing.GetLeaderId() == leader {
			return m
		}
	}
	return nil
}

// current tells whether a member sees the leader that the newest of them sees.
func current(m, newest *member) bool {
	return newest != nil && m.Standing.GetLeaderId() != 0 && m.Standing.GetRaftTerm() == newest.Standing.GetRaftTerm()
}

// outdone tells whether another member than the one of a node is to be followed: the leader, or one that sees a leader where
// that one sees none or an earlier one.
func outdone(members []*member, node *resolver.Node) bool {
	if leader := leading(members); leader != nil {
		return leader.Node != node
	}
	newest := newestLed(members)
	followed := now(members, &member{Node: node})
	return newest != nil && (followed == nil || !current(followed, newest))
}

// now is where a member stands by now, nil if it is not connected any more.
func now(members []*member, m *member) *member {
	for _, other := range members {
		if other.Node == m.Node {
			return other
		}
	}
	return nil
}

// atLeader chooses the leader, or else a member that can pass a proposal on, or else any: it knows what it knows.
type atLeader struct{}

func (atLeader) Pick(members []*member) *member {
	if m := leading(members); m != nil {
		return m
	}
	if m := newestLed(members); m != nil {
		return m
	}
	if len(members) > 0 {
		return members[0]
	}
	return nil
}

// Keep goes on waiting for a member that was chosen when it was the best: it still can answer, unless the others have gone on
// to a later term without it.
func (atLeader) Keep(members []*member, m *member) bool {
	m = now(members, m)
	newest := newestLed(members)
	return m != nil && (newest == nil || m.Standing.GetRaftTerm() >= newest.Standing.GetRaftTerm())
}

// nearest chooses the member whose endpoint is named first, of those that see the leader: the leader, if it is among several of
// one endpoint. Where nobody sees one it is atLeader.
type nearest struct{ atLeader }

func (p nearest) Pick(members []*member) *member {
	var best *member
	newest, leader := newestLed(members), leading(members)
	for _, m := range members {
		if current(m, newest) && (best == nil || m.Node.Rank < best.Node.Rank || m.Node.Rank == best.Node.Rank && m == leader) {
			best = m
		}
	}
	if best == nil {
		return p.atLeader.Pick(members)
	}
	return best
}

// gatherTime bounds the wait for the member that is named first, from the start on.
const gatherTime = 3 * time.Second

// awaitNearest waits until the member that is named first is the nearest. Those that start together connect in any order, and who
// asks in between would hear of another member than ever after. It waits no longer than gatherTime: the first may be away.
func awaitNearest(ctx context.Context, view func() *balancer.View[*consensusv1.Standing]) {
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	for {
		now := view()
		if m := (nearest{}).Pick(now.Backends); m != nil && m.Node.Rank == 0 {
			return
		}
		select {
		case <-now.Changed:
		case <-ctx.Done():
			return
		}
	}
}

// onlyLeader chooses the leader and nobody else.
type onlyLeader struct{}

func (onlyLeader) Pick(members []*member) *member { return leading(members) }
func (onlyLeader) Keep([]*member, *member) bool   { return true }

// inTurn chooses the members that see the leader in turn.
type inTurn struct{ turn *atomic.Uint64 }

func (r inTurn) Pick(members []*member) *member {
	newest, n := newestLed(members), 0
	for _, m := range members {
		if current(m, newest) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	at := int(r.turn.Add(1) % uint64(n))
	for _, m := range members {
		if !current(m, newest) {
			continue
		}
		if at == 0 {
			return m
		}
		at--
	}
	return nil
}

// Keep gives up on a member that has lost its leader, as one does that is cut off from the others, and on one that the others
// have left behind in an earlier term.
func (inTurn) Keep(members []*member, m *member) bool {
	m = now(members, m)
	return m != nil && current(m, newestLed(members))
}

// How calls are made.
var (
	// change is for what changes the store.
	change = options{Picker: atLeader{}}
	// look is for what does not and tells of one member.
	look = options{Picker: atLeader{}, RetryPolicy: balancer.RetryPolicy{Idempotent: true, Retryable: []error{errdefs.ErrStopped}}}
	// command is for what the leader alone can do.
	command = options{Picker: onlyLeader{}, RetryPolicy: balancer.RetryPolicy{Retryable: []error{errdefs.ErrNotLeader}}}
)

// long is for calls whose answers may take long, because they are large or because of what they wait for.
func long(h options) options {
	h.Long = true
	return h
}

// linearizable is for linearizable reads, which the members take in turn.
func linearizable(turn *atomic.Uint64) options {
	return options{Picker: inTurn{turn}, RetryPolicy: balancer.RetryPolicy{Idempotent: true, Retryable: []error{errdefs.ErrStopped, errdefs.ErrNoLeader}}}
}
