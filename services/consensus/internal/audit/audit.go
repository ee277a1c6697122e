package audit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

const (
	// interval is how often members compare digests, timeout how long a member may take to tell its own.
	interval = 2 * time.Second
	timeout  = time.Second
	// initialMax is how long a member that starts waits for its first comparison and the reading of its state, initialTries how often it
	// tries to compare meanwhile. It takes half a second to read some hundred megabytes.
	initialMax   = 500 * time.Millisecond
	initialTries = 5
)

// Peers asks other members for their digests.
type Peers interface {
	// Digests asks a member, which may be too old to know the question.
	Digests(ctx context.Context, member uint64, req *consensusv1.DigestsRequest) (*consensusv1.DigestsResponse, error)
}

// Members are who belongs to the cluster.
type Members interface {
	List() []*consensusv1.Member
}

// Replica is the member's part in the election of a leader.
type Replica interface {
	LeaderID() uint64
	Leads() bool
	// Standing returns who leads, in which term, and a channel that is closed when that may have changed.
	Standing() (leader, term uint64, changed <-chan struct{})
	// Announce tells those who follow Standing that it may have changed.
	Announce()
	// HandOver gives leadership to a member that is not unfit.
	HandOver(ctx context.Context, unfit func(id uint64) bool) error
}

// Alarms raises alarms, which the log carries to all members.
type Alarms interface {
	// Raise raises an alarm in a member's name, unless it is raised already. Where that fails it is tried again by the next comparison.
	Raise(ctx context.Context, member uint64, kind consensusv1.Alarm_Type)
}

// Config says who is compared with whom.
type Config struct {
	Self uint64
	// SkipInitial lets the member serve without having been compared or read.
	SkipInitial bool
	// Peers is nil where nobody is asked.
	Peers   Peers
	Gate    *gate.Gate
	Trust   *Trust
	Members Members
	Replica Replica
	Alarms  Alarms
	// Verified is closed once the state was read, or that was tried.
	Verified <-chan struct{}
	Ticks    replication.Ticks
	Logger   *slog.Logger
}

// Audit compares this member with the others.
type Audit struct {
	Config
	// caughtUp is closed once a comparison makes sense, compared once it has been tried.
	caughtUp, compared chan struct{}
	agreed             atomic.Uint64

	// What follows belongs to the goroutine of Run.

	judge judge
	// trusted is what others were told of this member.
	trusted bool
}

// New returns an audit that has compared nothing yet.
func New(o Config) *Audit {
	return &Audit{Config: o, caughtUp: make(chan struct{}), compared: make(chan struct{}), judge: judge{self: o.Self}, trusted: true}
}

// Agreed is the newest log index at which a majority was found to have this member's digest.
func (a *Audit) Agreed() uint64 { return a.agreed.Load() }

// Digests tells what this member's state hashes to.
func (a *Audit) Digests() *consensusv1.DigestsResponse {
	resp := &consensusv1.DigestsResponse{Format: mvcc.DigestFormat}
	for _, d := range a.Gate.State().Digests() {
		resp.Digests = append(resp.Digests, &consensusv1.Digest{Index: d.Index, Revision: d.Revision, State: d.State, History: d.History})
	}
	return resp
}

// CheckBeforeServing waits until the member was compared with the others and has read its own state, though no longer
// than initialMax: a large state is read on while it serves. It is called once, when the member has caught up.
func (a *Audit) CheckBeforeServing(ctx context.Context) {
	close(a.caughtUp)
	if a.SkipInitial {
		return
	}
	limit, stop := a.Ticks(initialMax)
	defer stop()
	for _, done := range []<-chan struct{}{a.compared, a.Verified} {
		select {
		case <-done:
		case <-limit:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Run compares the member with the others until ctx ends.
func (a *Audit) Run(ctx context.Context) error {
	select {
	case <-a.caughtUp:
	case <-ctx.Done():
		return nil
	}
	quick, stopQuick := a.Ticks(initialMax / initialTries)
	defer stopQuick()
	for try := 1; !a.compare(ctx) && try < initialTries; try++ {
		select {
		case <-quick:
		case <-ctx.Done():
			return nil
		}
	}
	close(a.compared)
	ticks, stop := a.Ticks(interval)
	defer stop()
	for {
		if trusted := a.Trust.Check() == nil; trusted != a.trusted {
			a.trusted = trusted
			a.Replica.Announce()
		}
		_, _, leaderChanged := a.Replica.Standing()
		a.stepAside(ctx)
		select {
		case <-ticks:
			a.compare(ctx)
		case <-a.Trust.kick:
			a.compare(ctx)
		case <-leaderChanged:
		case <-ctx.Done():
			return nil
		}
	}
}

// stepAside gives leadership away if this member is not to be believed. Others may need an election timeout to take it.
func (a *Audit) stepAside(ctx context.Context) {
	if !a.Replica.Leads() || a.Trust.Check() == nil {
		return
	}
	if err := a.Replica.HandOver(ctx, a.Gate.Corrupt); err != nil && ctx.Err() == nil {
		a.Logger.Warn("a member with a corrupt state leads, and could not give leadership away", "error", err)
	}
}

// compare compares digests with the other members once, and acts on it. It returns false if this member could not be
// compared with a majority.
func (a *Audit) compare(ctx context.Context) bool {
	state := a.Gate.State() // the one that is judged, if it is still the state then
	var c comparison
	for _, member := range a.Members.List() {
		if !member.GetIsLearner() {
			c.voters = append(c.voters, member.GetId())
		}
	}
	c.digests = a.askDigests(ctx)
	c.now, c.leader = time.Now(), a.Replica.LeaderID()
	c.trusted, c.condemned = a.Trust.Check() == nil, a.Trust.Condemned()
	for id := range c.digests {
		if a.Gate.Corrupt(id) {
			c.corrupt = append(c.corrupt, id)
		}
	}
	v := a.judge.step(c)
	a.agreed.Store(max(a.agreed.Load(), v.agreed))
	for _, n := range v.notices {
		a.Logger.Error("members have different states", "found", n.text, "index", n.index)
	}
	if v.condemned != "" {
		a.Trust.condemn(state, v.condemned)
	}
	for _, id := range v.odd {
		a.Alarms.Raise(ctx, id, consensusv1.Alarm_TYPE_CORRUPT)
	}
	if a.Trust.Condemned() {
		a.Alarms.Raise(ctx, a.Self, consensusv1.Alarm_TYPE_CORRUPT)
	}
	return v.compared
}

// askDigests returns what this member and the others that answer tell, by id.
func (a *Audit) askDigests(ctx context.Context) map[uint64][]*consensusv1.Digest {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		told   = map[uint64][]*consensusv1.Digest{}
	)
	for _, member := range a.Members.List() {
		id := member.GetId()
		if id == a.Self || a.Peers == nil {
			continue
		}
		asking.Go(func() {
			resp, err := a.Peers.Digests(ctx, id, &consensusv1.DigestsRequest{})
			if err != nil || resp.GetFormat() != mvcc.DigestFormat {
				return // it is away, or of another version: it has no part in this
			}
			mu.Lock()
			defer mu.Unlock()
			told[id] = resp.GetDigests()
		})
	}
	asking.Wait()
	own := a.Digests() // it comes last: it has what the others had
	told[a.Self] = own.GetDigests()
	return told
}
