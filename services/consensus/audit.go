package consensus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
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

// audit is what a member knows about whether it can be believed.
type audit struct {
	// sentence is why it cannot, as far as it found out itself.
	sentence atomic.Pointer[sentence]
	// caughtUp is closed once a comparison makes sense, compared and verified once each has been tried.
	caughtUp, compared, verified chan struct{}
	// kick has a token when the auditor should look at once, replaced when there is another state to verify.
	kick, replaced chan struct{}
	// agreed is the newest log index at which a majority was found to have this member's digest.
	agreed atomic.Uint64

	// What follows belongs to the goroutine of auditState.

	// trusted is what others were told of it.
	trusted bool
	// disputed is since when there is a difference without a majority, zero if there is none.
	disputed time.Time
	// told is what was logged last about a difference.
	told string
}

// sentence is what was found in a state. It holds as long as that is the member's.
type sentence struct {
	state  *mvcc.Store
	reason string
}

func newAudit() *audit {
	return &audit{
		trusted:  true,
		caughtUp: make(chan struct{}), compared: make(chan struct{}), verified: make(chan struct{}),
		kick: make(chan struct{}, 1), replaced: make(chan struct{}, 1),
	}
}

// condemned tells whether something was found in the state that is the member's now.
func (m *Member) condemned() bool {
	s := m.audit.sentence.Load()
	return s != nil && s.state == m.store()
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// trusted returns problem.ErrCorrupt when this member must not answer from its state.
func (m *Member) trusted() error {
	if m.condemned() || m.store().Corrupt(m.cfg.MemberID) {
		return fmt.Errorf("state of member %s: %w", memberID(m.cfg.MemberID), problem.ErrCorrupt)
	}
	return nil
}

// condemn is called when this member has found that it is not to be believed because of a state. It does nothing if that
// was replaced meanwhile.
func (m *Member) condemn(state *mvcc.Store, reason string) {
	before := m.audit.sentence.Load()
	if state != m.store() || before != nil && before.state == state {
		return
	}
	if m.audit.sentence.CompareAndSwap(before, &sentence{state, reason}) {
		m.log.Error("this member answers no more: its state is not that of the cluster. Remove it (etcdctl member remove), delete its data directory, "+
			"and add it as a new member (etcdctl member add); if it is the only one, restore a snapshot",
			"member", memberID(m.cfg.MemberID), "found", reason)
		nudge(m.audit.kick)
	}
}

// Digests tells what this member's state hashes to.
func (m *Member) Digests(context.Context, *consensusv1.DigestsRequest) (*consensusv1.DigestsResponse, error) {
	resp := &consensusv1.DigestsResponse{Format: mvcc.DigestFormat}
	for _, d := range m.store().Digests() {
		resp.Digests = append(resp.Digests, &consensusv1.Digest{Index: d.Index, Revision: d.Revision, State: d.State, History: d.History})
	}
	return resp, nil
}

// checkBeforeServing waits until the member was compared with the others and has read its own state, though no longer
// than initialCheckMax: a large state is read on while it serves.
func (m *Member) checkBeforeServing(ctx context.Context) {
	close(m.audit.caughtUp)
	if m.cfg.StateCheck.SkipInitial {
		return
	}
	limit := m.cfg.Clock.NewTicker(initialCheckMax)
	defer limit.Stop()
	for _, done := range []<-chan struct{}{m.audit.compared, m.audit.verified} {
		select {
		case <-done:
		case <-limit.C():
			return
		case <-ctx.Done():
			return
		}
	}
}

// auditState compares the member with the others until ctx ends.
func (m *Member) auditState(ctx context.Context) error {
	select {
	case <-m.audit.caughtUp:
	case <-ctx.Done():
		return nil
	}
	quick := m.cfg.Clock.NewTicker(initialCheckMax / initialCheckTries)
	defer quick.Stop()
	for try := 1; !m.compare(ctx) && try < initialCheckTries; try++ {
		select {
		case <-quick.C():
		case <-ctx.Done():
			return nil
		}
	}
	close(m.audit.compared)
	ticker := m.cfg.Clock.NewTicker(auditInterval)
	defer ticker.Stop()
	for {
		if trusted := m.trusted() == nil; trusted != m.audit.trusted {
			m.audit.trusted = trusted
			m.replica.Announce()
		}
		_, leaderChanged := m.Leader()
		m.stepAside(ctx)
		select {
		case <-ticker.C():
			m.compare(ctx)
		case <-m.audit.kick:
			m.compare(ctx)
		case <-leaderChanged:
		case <-ctx.Done():
			return nil
		}
	}
}

// stepAside gives leadership away if this member is not to be believed. Others may need an election timeout to take it.
func (m *Member) stepAside(ctx context.Context) {
	if !m.replica.Leads() || m.trusted() == nil {
		return
	}
	if err := m.HandOver(ctx); err != nil && ctx.Err() == nil {
		m.log.Warn("a member with a corrupt state leads, and could not give leadership away", "error", err)
	}
}

// compare compares digests with the other members once, and acts on it. It returns false if this member could not be
// compared with a majority.
func (m *Member) compare(ctx context.Context) bool {
	var voters []uint64
	for _, member := range m.members.list() {
		if !member.GetIsLearner() {
			voters = append(voters, member.GetId())
		}
	}
	state := m.store()
	told := m.askDigests(ctx)
	index := agreedIndex(voters, m.cfg.MemberID, told)
	m.audit.agreed.Store(max(m.audit.agreed.Load(), index))
	differences := compareDigests(voters, told)
	m.settle(ctx, state, voters, differences)
	if m.condemned() {
		m.raiseAlarm(ctx, m.cfg.MemberID, consensusv1.Alarm_TYPE_CORRUPT)
	}
	return index > 0 || len(differences) > 0
}

// askDigests returns what this member and the others that answer tell, by id.
func (m *Member) askDigests(ctx context.Context) map[uint64][]*consensusv1.Digest {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		told   = map[uint64][]*consensusv1.Digest{}
	)
	for _, member := range m.members.list() {
		id := member.GetId()
		if id == m.cfg.MemberID || m.cfg.Auditor == nil {
			continue
		}
		asking.Go(func() {
			resp, err := m.cfg.Auditor.Digests(ctx, id, &consensusv1.DigestsRequest{})
			if err != nil || resp.GetFormat() != mvcc.DigestFormat {
				return // it is away, or of another version: it has no part in this
			}
			mu.Lock()
			defer mu.Unlock()
			told[id] = resp.GetDigests()
		})
	}
	asking.Wait()
	own, _ := m.Digests(ctx, nil) // it does not fail, and comes last: it has what the others had
	told[m.cfg.MemberID] = own.GetDigests()
	return told
}

// settle acts on differences. Each member judges itself, if its state is still the one that was compared; of the others,
// the leader names those that do not.
func (m *Member) settle(ctx context.Context, state *mvcc.Store, voters []uint64, differences []difference) {
	leader, _ := m.Leader()
	leads := leader == m.cfg.MemberID && m.trusted() == nil
	var odd []uint64
	for _, d := range differences {
		found := d.odd(raft.None)
		if slices.Contains(found, m.cfg.MemberID) {
			if !m.condemned() {
				m.condemn(state, m.tell(d, "it differs from a majority"))
			}
			return
		}
		if slices.ContainsFunc(found, func(id uint64) bool { return !m.store().Corrupt(id) }) {
			m.tell(d, "some differ from a majority")
		}
		odd = append(odd, found...)
	}
	dispute := m.disputeOf(differences, odd)
	if dispute == nil {
		m.audit.disputed = time.Time{}
	} else {
		if m.audit.disputed.IsZero() {
			m.audit.disputed = time.Now()
		}
		if dispute.complete(voters) || time.Since(m.audit.disputed) >= disputeMax {
			odd = append(odd, dispute.odd(leader)...)
		}
	}
	if len(odd) == 0 || !leads {
		return
	}
	for _, id := range odd {
		m.raiseAlarm(ctx, id, consensusv1.Alarm_TYPE_CORRUPT)
	}
}

// disputeOf returns the newest difference without a majority between members that are believed so far.
func (m *Member) disputeOf(differences []difference, odd []uint64) *difference {
	believed := func(id uint64) bool { return !slices.Contains(odd, id) && !m.store().Corrupt(id) }
	for i := range differences {
		d := &differences[i]
		sides := 0
		for _, side := range d.sides {
			if slices.ContainsFunc(side, believed) {
				sides++
			}
		}
		if d.truth == nil && sides > 1 {
			m.tell(*d, "members differ, and there is no majority to decide between them")
			return d
		}
	}
	return nil
}

// tell logs a difference, unless the last one logged was between the same members, and returns it as text.
func (m *Member) tell(d difference, what string) string {
	var sides []string
	for _, side := range d.sides {
		var ids []string
		for _, id := range side {
			ids = append(ids, memberID(id))
		}
		sides = append(sides, strings.Join(ids, " and "))
	}
	slices.Sort(sides)
	text := what + ": " + strings.Join(sides, " against ")
	if m.audit.told != text {
		m.audit.told = text
		m.log.Error("members have different states", "found", text, "index", d.index)
	}
	return fmt.Sprintf("%s, at log index %d", text, d.index)
}
