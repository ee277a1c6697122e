package consensus

import (
	"context"
	"fmt"
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// linearize waits until the state includes everything that was acknowledged, by any member, before the call.
//
// Where this member is the whole cluster, every acknowledgement was made here and after applying, so the state always
// does, once it has caught up with what was acknowledged before a restart: no round through raft is needed. The first
// change that adds a member is applied here before any other member can acknowledge.
func (m *Member) linearize(ctx context.Context) error {
	members := m.members.list()
	if m.soleVoter(members) {
		// Raft answers a sole voter's read index at once, even before it knows that its newest entries are committed.
		if err := m.replica.WaitCurrent(ctx); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if len(members) == 1 {
			return nil
		}
	}
	return m.replica.WaitReadIndex(ctx)
}

func (m *Member) soleVoter(members []*consensusv1.Member) bool {
	for _, member := range members {
		if !member.GetIsLearner() && member.GetId() != m.cfg.MemberID {
			return false
		}
	}
	return true
}

// read runs fn on a state that is fit for the request. See gate for what fn may do.
func (m *Member) read(ctx context.Context, serializable bool, fn func(*tenure) error) error {
	if !serializable {
		if err := m.linearize(ctx); err != nil {
			return err
		}
	}
	tenure, ok := m.gate.enter()
	if !ok {
		return fmt.Errorf("read: %w", problem.ErrStopped)
	}
	defer tenure.leave()
	return fn(tenure)
}

// stale is what a serializable read says of the state that it wants.
type stale interface {
	GetSerializable() bool
	GetSeenRevision() int64
}

// readSeen is readData for a caller that has been shown a revision, maybe by another member: it waits until that is applied
// here, where the read would not wait for more anyway.
func (m *Member) readSeen(ctx context.Context, req stale, fn func(*tenure) error) error {
	if err := m.awaitWanted(ctx, req); err != nil {
		return err
	}
	return m.readData(ctx, req.GetSerializable(), fn)
}

func (m *Member) awaitWanted(ctx context.Context, req stale) error {
	if err := m.awaitSeen(ctx, req); err != nil {
		return err
	}
	return m.awaitNamed(ctx, req)
}

func (m *Member) awaitSeen(ctx context.Context, req stale) error {
	for req.GetSerializable() && m.store().Revision() < req.GetSeenRevision() {
		_, changed, _ := m.feed.Since(req.GetSeenRevision(), 0)
		if changed == nil {
			continue // it has just been applied
		}
		select {
		case <-changed:
		case <-m.stopped:
			return fmt.Errorf("read: %w", problem.ErrStopped)
		case <-ctx.Done():
			return fmt.Errorf("read: wait for revision %d: %w", req.GetSeenRevision(), context.Cause(ctx))
		}
	}
	return nil
}

// readData is read for what clients stored: it is refused while the member is not to be believed.
func (m *Member) readData(ctx context.Context, serializable bool, fn func(*tenure) error) error {
	if err := m.trusted(); err != nil {
		return fmt.Errorf("read: %w", err) // no leader is needed to know
	}
	return m.read(ctx, serializable, func(t *tenure) error {
		if err := m.trusted(); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		return fn(t)
	})
}

// Range reads a range of keys from one revision: problem.ErrCompacted, ErrFutureRevision, ErrCorrupt, ErrStopped, or
// ctx's error.
func (m *Member) Range(ctx context.Context, req *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
	resp := &consensusv1.RangeResponse{RaftTerm: m.term()}
	err := m.readSeen(ctx, req, func(t *tenure) (err error) {
		if len(req.GetRange().GetRangeEnd()) == 0 {
			resp.Result, resp.Revision, err = t.store.Range(ctx, req.GetRange())
			return err
		}
		return t.during(ctx, func(ctx context.Context) (err error) {
			resp.Result, resp.Revision, err = t.store.Range(ctx, req.GetRange())
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// RangeStream is Range in chunks, all from one revision, which is held by nothing between two chunks: a client that takes
// them slowly may find it compacted, as with etcd.
func (m *Member) RangeStream(ctx context.Context, req *consensusv1.RangeStreamRequest, send func(*consensusv1.RangeStreamResponse) error) error {
	if err := m.awaitWanted(ctx, req); err != nil {
		return err
	}
	serializable := req.GetSerializable()
	for stream := mvcc.NewRangeStream(req.GetRange(), rangeChunkBytes); !stream.Done(); {
		var chunk *consensusv1.RangeResult
		err := m.readData(ctx, serializable, func(t *tenure) error {
			return t.during(ctx, func(ctx context.Context) (err error) {
				chunk, err = stream.Next(ctx, t.store)
				return err
			})
		})
		if err != nil {
			return err
		}
		serializable = true // the first chunk has fixed the revision
		if err := send(&consensusv1.RangeStreamResponse{Result: chunk, Revision: stream.Head(), RaftTerm: m.term()}); err != nil {
			return err
		}
	}
	return nil
}

// ReadTxn evaluates a transaction that holds no writes. Errors are those of Range.
func (m *Member) ReadTxn(ctx context.Context, req *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error) {
	resp := &consensusv1.ReadTxnResponse{RaftTerm: m.term()}
	err := m.readSeen(ctx, req, func(t *tenure) error {
		return t.during(ctx, func(ctx context.Context) (err error) {
			resp.Result, resp.Revision, err = t.store.ReadTxn(ctx, req.GetTxn())
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// ReadIndex answers once everything that was committed when it was called is applied here.
func (m *Member) ReadIndex(ctx context.Context, _ *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error) {
	if err := m.linearize(ctx); err != nil {
		return nil, err
	}
	return &consensusv1.ReadIndexResponse{Revision: m.store().Revision(), RaftTerm: m.term(), LeaseEpoch: m.store().LeaseEpoch()}, nil
}

// Position tells where this member is, without waiting for anything.
func (m *Member) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return &consensusv1.PositionResponse{
		ClusterId: m.cfg.ClusterID,
		MemberId:  m.cfg.MemberID,
		RaftTerm:  m.term(),
		Revision:  m.store().Revision(),
		RaftIndex: m.replica.Applied(),

		CompactedRevision: m.store().CompactedRevision(),
		LeaderId:          m.replica.LeaderID(),
		Corrupt:           m.trusted() != nil,
	}, nil
}

// Tail sends commits from a revision on until ctx ends, send fails or the member stops: each once, in order, without
// gaps. A reader that falls below the compacted revision gets problem.ErrCompacted, and problem.ErrCorrupt once this
// member is not to be believed.
func (m *Member) Tail(ctx context.Context, req *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error) error {
	heartbeat := m.cfg.Clock.NewTicker(tailHeartbeat)
	defer heartbeat.Stop()
	next := req.GetFromRevision()
	for {
		if err := m.trusted(); err != nil {
			return fmt.Errorf("tail the feed: %w", err)
		}
		commits, changed, ok := m.feed.Since(next, tailBytesMax)
		if !ok {
			var err error
			if commits, err = m.historyForTail(ctx, next); err != nil {
				return err
			}
		}
		if !req.GetAllowLeftOut() {
			var err error
			if commits, err = m.completed(ctx, commits); err != nil {
				return err
			}
		}
		if len(commits) > 0 {
			if err := send(&consensusv1.TailResponse{Commits: commits, Head: m.feed.Head()}); err != nil {
				return err
			}
			next = commits[len(commits)-1].GetRevision() + 1
			continue
		}
		select {
		case <-changed:
		case <-heartbeat.C():
			if err := send(&consensusv1.TailResponse{Head: m.feed.Head()}); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-m.stopped:
			return fmt.Errorf("tail the feed: %w", problem.ErrStopped)
		}
	}
}

// historyForTail reads commits that the feed no longer holds.
func (m *Member) historyForTail(ctx context.Context, from int64) (commits []*consensusv1.Commit, err error) {
	err = m.read(ctx, true, func(t *tenure) error {
		var next int64
		commits, _, next, err = t.store.HistoryParts(ctx, from, 0, m.feed.Oldest()-1, historyBytesMax)
		if last := len(commits) - 1; next != 0 {
			commits[last] = &consensusv1.Commit{Revision: commits[last].GetRevision(), LeftOut: true}
		}
		return err
	})
	return commits, err
}

// completed returns commits for a reader that does not know of those without their events: as far as the first of them, or
// that one, read from history.
func (m *Member) completed(ctx context.Context, commits []*consensusv1.Commit) (whole []*consensusv1.Commit, err error) {
	at := slices.IndexFunc(commits, (*consensusv1.Commit).GetLeftOut)
	if at < 0 {
		return commits, nil
	}
	if at > 0 {
		return commits[:at], nil
	}
	revision := commits[0].GetRevision()
	err = m.read(ctx, true, func(t *tenure) error {
		whole, _, err = t.store.History(ctx, revision, revision, nil, nil, 0)
		return err
	})
	return whole, err
}

// History reads one stretch of past commits: problem.ErrCompacted where it begins below the compacted revision.
func (m *Member) History(ctx context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
	resp := &consensusv1.HistoryResponse{}
	bytes := req.GetMaxBytes()
	if bytes <= 0 {
		bytes = historyBytesMax
	}
	err := m.readData(ctx, true, func(t *tenure) (err error) {
		to := req.GetToRevision()
		if head := t.store.Revision(); to <= 0 || to > head {
			to = head
		}
		if req.GetParts() && len(req.GetKey()) == 0 {
			resp.Commits, resp.ThroughRevision, resp.NextSub, err = t.store.HistoryParts(ctx, req.GetFromRevision(), req.GetFromSub(), to, bytes)
			return err
		}
		resp.Commits, resp.ThroughRevision, err = t.store.History(ctx, req.GetFromRevision(), to, req.GetKey(), req.GetRangeEnd(), bytes)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (m *Member) term() uint64 { return m.replica.Term() }
