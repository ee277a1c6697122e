package consensus

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// A member whose state is not what the log makes of it must be found, and must not be believed. There are two ways to
// find it:
//
//   - Members compare digests (package mvcc): every auditInterval, at whatever log indexes they have in common. Who differs
//     from a majority of the voters is the odd one out. Where no majority can be had (of two members, or while others are
//     away), the leader's word counts, after disputeMax if somebody is missing who could decide: to stop both would stop
//     the cluster, and to let both go on would have clients read whichever they reach.
//   - A member reads its state and compares it with its own digest (verify.go): it needs nobody else to know.
//
// The one that is found refuses whatever it would answer from its state, has the CORRUPT alarm raised under its id, which
// the log carries to all, also over its restarts, and gives leadership away. It goes on to vote and to take the log, so
// that the quorum does not shrink. The others serve on: each of them applies the log for itself.
//
// Only a new state repairs it. An alarm that is disarmed before is raised again.

// Auditor asks other members for their digests.
type Auditor interface {
	// Digests asks a member, which may be too old to know the question.
	Digests(ctx context.Context, member uint64, req *consensusv1.DigestsRequest) (*consensusv1.DigestsResponse, error)
}

// audit compares this member with the others.
type audit struct {
	self        uint64
	skipInitial bool
	clock       Clock
	peers       Auditor
	gate        *gate.Gate
	trust       *trust
	members     *membership.Members
	replica     *replication.Replica
	alarms      *alarms
	log         *slog.Logger

	// caughtUp is closed once a comparison makes sense, compared and verified once each has been tried.
	caughtUp, compared chan struct{}
	verified           <-chan struct{}
	// agreed is the newest log index at which a majority was found to have this member's digest.
	agreed atomic.Uint64

	// What follows belongs to the goroutine of run.

	// trusted is what others were told of it.
	trusted bool
	// disputed is since when there is a difference without a majority, zero if there is none.
	disputed time.Time
	// told is what was logged last about a difference.
	told string
}

func newAudit(cfg Config, gate *gate.Gate, trust *trust, members *membership.Members, replica *replication.Replica, alarms *alarms, verified <-chan struct{}) *audit {
	return &audit{
		self: cfg.MemberID, skipInitial: cfg.StateCheck.SkipInitial, clock: cfg.Clock, peers: cfg.Auditor,
		gate: gate, trust: trust, members: members, replica: replica, alarms: alarms, log: cfg.Logger,
		caughtUp: make(chan struct{}), compared: make(chan struct{}), verified: verified, trusted: true,
	}
}

// digests tells what this member's state hashes to.
func (a *audit) digests() *consensusv1.DigestsResponse {
	resp := &consensusv1.DigestsResponse{Format: mvcc.DigestFormat}
	for _, d := range a.gate.State().Digests() {
		resp.Digests = append(resp.Digests, &consensusv1.Digest{Index: d.Index, Revision: d.Revision, State: d.State, History: d.History})
	}
	return resp
}

// checkBeforeServing waits until the member was compared with the others and has read its own state, though no longer
// than initialCheckMax: a large state is read on while it serves.
func (a *audit) checkBeforeServing(ctx context.Context) {
	close(a.caughtUp)
	if a.skipInitial {
		return
	}
	limit := a.clock.NewTicker(initialCheckMax)
	defer limit.Stop()
	for _, done := range []<-chan struct{}{a.compared, a.verified} {
		select {
		case <-done:
		case <-limit.C():
			return
		case <-ctx.Done():
			return
		}
	}
}

// run compares the member with the others until ctx ends.
func (a *audit) run(ctx context.Context) error {
	select {
	case <-a.caughtUp:
	case <-ctx.Done():
		return nil
	}
	quick := a.clock.NewTicker(initialCheckMax / initialCheckTries)
	defer quick.Stop()
	for try := 1; !a.compare(ctx) && try < initialCheckTries; try++ {
		select {
		case <-quick.C():
		case <-ctx.Done():
			return nil
		}
	}
	close(a.compared)
	ticker := a.clock.NewTicker(auditInterval)
	defer ticker.Stop()
	for {
		if trusted := a.trust.trusted() == nil; trusted != a.trusted {
			a.trusted = trusted
			a.replica.Announce()
		}
		_, _, leaderChanged := a.replica.Standing()
		a.stepAside(ctx)
		select {
		case <-ticker.C():
			a.compare(ctx)
		case <-a.trust.kick:
			a.compare(ctx)
		case <-leaderChanged:
		case <-ctx.Done():
			return nil
		}
	}
}

// stepAside gives leadership away if this member is not to be believed. Others may need an election timeout to take it.
func (a *audit) stepAside(ctx context.Context) {
	if !a.replica.Leads() || a.trust.trusted() == nil {
		return
	}
	if err := a.replica.HandOver(ctx, a.gate.Corrupt); err != nil && ctx.Err() == nil {
		a.log.Warn("a member with a corrupt state leads, and could not give leadership away", "error", err)
	}
}

// compare compares digests with the other members once, and acts on it. It returns false if this member could not be
// compared with a majority.
func (a *audit) compare(ctx context.Context) bool {
	var voters []uint64
	for _, member := range a.members.List() {
		if !member.GetIsLearner() {
			voters = append(voters, member.GetId())
		}
	}
	state := a.gate.State()
	told := a.askDigests(ctx)
	index := agreedIndex(voters, a.self, told)
	a.agreed.Store(max(a.agreed.Load(), index))
	differences := compareDigests(voters, told)
	a.settle(ctx, state, voters, differences)
	if a.trust.condemned() {
		a.alarms.raise(ctx, a.self, consensusv1.Alarm_TYPE_CORRUPT)
	}
	return index > 0 || len(differences) > 0
}

// askDigests returns what this member and the others that answer tell, by id.
func (a *audit) askDigests(ctx context.Context) map[uint64][]*consensusv1.Digest {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		told   = map[uint64][]*consensusv1.Digest{}
	)
	for _, member := range a.members.List() {
		id := member.GetId()
		if id == a.self || a.peers == nil {
			continue
		}
		asking.Go(func() {
			resp, err := a.peers.Digests(ctx, id, &consensusv1.DigestsRequest{})
			if err != nil || resp.GetFormat() != mvcc.DigestFormat {
				return // it is away, or of another version: it has no part in this
			}
			mu.Lock()
			defer mu.Unlock()
			told[id] = resp.GetDigests()
		})
	}
	asking.Wait()
	own := a.digests() // it comes last: it has what the others had
	told[a.self] = own.GetDigests()
	return told
}

// settle acts on differences. Each member judges itself, if its state is still the one that was compared; of the others,
// the leader names those that do not.
func (a *audit) settle(ctx context.Context, state *mvcc.Store, voters []uint64, differences []difference) {
	leader := a.replica.LeaderID()
	leads := leader == a.self && a.trust.trusted() == nil
	var odd []uint64
	for _, d := range differences {
		found := d.odd(raft.None)
		if slices.Contains(found, a.self) {
			if !a.trust.condemned() {
				a.trust.condemn(state, a.tell(d, "it differs from a majority"))
			}
			return
		}
		if slices.ContainsFunc(found, func(id uint64) bool { return !a.gate.State().Corrupt(id) }) {
			a.tell(d, "some differ from a majority")
		}
		odd = append(odd, found...)
	}
	dispute := a.disputeOf(differences, odd)
	if dispute == nil {
		a.disputed = time.Time{}
	} else {
		if a.disputed.IsZero() {
			a.disputed = time.Now()
		}
		if dispute.complete(voters) || time.Since(a.disputed) >= disputeMax {
			odd = append(odd, dispute.odd(leader)...)
		}
	}
	if len(odd) == 0 || !leads {
		return
	}
	for _, id := range odd {
		a.alarms.raise(ctx, id, consensusv1.Alarm_TYPE_CORRUPT)
	}
}

// disputeOf returns the newest difference without a majority between members that are believed so far.
func (a *audit) disputeOf(differences []difference, odd []uint64) *difference {
	believed := func(id uint64) bool { return !slices.Contains(odd, id) && !a.gate.State().Corrupt(id) }
	for i := range differences {
		d := &differences[i]
		sides := 0
		for _, side := range d.sides {
			if slices.ContainsFunc(side, believed) {
				sides++
			}
		}
		if d.truth == nil && sides > 1 {
			a.tell(*d, "members differ, and there is no majority to decide between them")
			return d
		}
	}
	return nil
}

// tell logs a difference, unless the last one logged was between the same members, and returns it as text.
func (a *audit) tell(d difference, what string) string {
	var sides []string
	for _, side := range d.sides {
		var ids []string
		for _, id := range side {
			ids = append(ids, identity.Format(id))
		}
		sides = append(sides, strings.Join(ids, " and "))
	}
	slices.Sort(sides)
	text := what + ": " + strings.Join(sides, " against ")
	if a.told != text {
		a.told = text
		a.log.Error("members have different states", "found", text, "index", d.index)
	}
	return fmt.Sprintf("%s, at log index %d", text, d.index)
}
