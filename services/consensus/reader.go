package consensus

import (
	"context"
	"fmt"
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/tracing"
	"github.com/quoratedb/quorate/services/consensus/internal/audit"
	"github.com/quoratedb/quorate/services/consensus/internal/feed"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// reader finds a state that is fit for a request.
type reader struct {
	self    uint64
	gate    *gate.Gate
	trust   *audit.Trust
	members *membership.Members
	replica *replication.Replica
	feed    *feed.Feed
	stopped <-chan struct{}
}

// linearize waits until the state includes everything that was acknowledged, by any member, before the call.
//
// Where this member is the whole cluster, every acknowledgement was made here and after applying, so the state always
// does, once it has caught up with what was acknowledged before a restart: no round through raft is needed. The first
// change that adds a member is applied here before any other member can acknowledge.
func (r *reader) linearize(ctx context.Context) error {
	members := r.members.List()
	if r.soleVoter(members) {
		// Raft answers a sole voter's read index at once, even before it knows that its newest entries are committed.
		if err := r.replica.WaitCurrent(ctx); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if len(members) == 1 {
			return nil
		}
	}
	ctx, end := tracing.Begin(ctx, "read index")
	err := r.replica.WaitReadIndex(ctx)
	end(err)
	return err
}

func (r *reader) soleVoter(members []*consensusv1.Member) bool {
	for _, member := range members {
		if !member.GetIsLearner() && member.GetId() != r.self {
			return false
		}
	}
	return true
}

// read runs fn on a state that is fit for the request. See gate for what fn may do.
func (r *reader) read(ctx context.Context, serializable bool, fn func(*gate.Tenure) error) error {
	if !serializable {
		if err := r.linearize(ctx); err != nil {
			return err
		}
	}
	tenure, ok := r.gate.Enter()
	if !ok {
		return fmt.Errorf("read: %w", errdefs.ErrStopped)
	}
	defer tenure.Leave()
	return fn(tenure)
}

// stale is what a serializable read says of the state that it wants.
type stale interface {
	GetSerializable() bool
	GetSeenRevision() int64
}

// readSeen is readData for a caller that has been shown a revision, maybe by another member: it waits until that is applied
// here, where the read would not wait for more anyway.
func (r *reader) readSeen(ctx context.Context, req stale, fn func(*gate.Tenure) error) error {
	if err := r.awaitWanted(ctx, req); err != nil {
		return err
	}
	return r.readData(ctx, req.GetSerializable(), fn)
}

func (r *reader) awaitWanted(ctx context.Context, req stale) error {
	if req.GetSerializable() {
		if err := r.awaitRevision(ctx, req.GetSeenRevision()); err != nil {
			return err
		}
	}
	return r.awaitNamed(ctx, req)
}

func (r *reader) awaitRevision(ctx context.Context, revision int64) error {
	for r.gate.State().Revision() < revision {
		_, changed, _ := r.feed.Since(revision, 0)
		if changed == nil {
			continue // it has just been applied
		}
		select {
		case <-changed:
		case <-r.stopped:
			return fmt.Errorf("read: %w", errdefs.ErrStopped)
		case <-ctx.Done():
			return fmt.Errorf("read: wait for revision %d: %w", revision, context.Cause(ctx))
		}
	}
	return nil
}

// awaitShown waits, for who asks how this member is, until that includes what its caller has been shown, or seenWaitMax has passed:
// of a member that is cut off, or that cannot follow, people want to know how far it is.
func (r *reader) awaitShown(ctx context.Context, seen *consensusv1.Seen) {
	ctx, cancel := context.WithTimeout(ctx, seenWaitMax)
	defer cancel()
	if r.replica.WaitApplied(ctx, seen.GetRaftIndex()) == nil {
		_ = r.awaitRevision(ctx, seen.GetRevision()) // whoever could not wait is answered all the same
	}
}

// readData is read for what clients stored: it is refused while the member is not to be believed.
func (r *reader) readData(ctx context.Context, serializable bool, fn func(*gate.Tenure) error) error {
	if err := r.trust.Check(); err != nil {
		return fmt.Errorf("read: %w", err) // no leader is needed to know
	}
	return r.read(ctx, serializable, func(t *gate.Tenure) error {
		if err := r.trust.Check(); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		return fn(t)
	})
}

// awaitNamed waits, for a serializable read at a revision that this member has not applied, until it has what any member had
// acknowledged before the call: another member may have told the reader of the revision. What is in the future then is so
// for all, and the read itself refuses it.
func (r *reader) awaitNamed(ctx context.Context, req stale) error {
	if !req.GetSerializable() || namedRevision(req) <= r.gate.State().Revision() {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, futureReadMax)
	defer cancel()
	if err := r.linearize(bounded); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// historyForTail reads commits that the feed no longer holds.
func (r *reader) historyForTail(ctx context.Context, from int64) (commits []*consensusv1.Commit, err error) {
	err = r.read(ctx, true, func(t *gate.Tenure) error {
		var next int64
		commits, _, next, err = t.Store.HistoryParts(ctx, from, 0, r.feed.Oldest()-1, historyBytesMax)
		if last := len(commits) - 1; next != 0 {
			commits[last] = &consensusv1.Commit{Revision: commits[last].GetRevision(), LeftOut: true}
		}
		return err
	})
	return commits, err
}

// completed returns commits for a reader that does not know of those without their events: as far as the first of them, or
// that one, read from history.
func (r *reader) completed(ctx context.Context, commits []*consensusv1.Commit) (whole []*consensusv1.Commit, err error) {
	at := slices.IndexFunc(commits, (*consensusv1.Commit).GetLeftOut)
	if at < 0 {
		return commits, nil
	}
	if at > 0 {
		return commits[:at], nil
	}
	revision := commits[0].GetRevision()
	err = r.read(ctx, true, func(t *gate.Tenure) error {
		whole, _, err = t.Store.History(ctx, revision, revision, nil, nil, 0)
		return err
	})
	return whole, err
}
