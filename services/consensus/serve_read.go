package consensus

import (
	"context"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// Range reads a range of keys from one revision: errdefs.ErrCompacted, ErrFutureRevision, ErrCorrupt, ErrStopped, or
// ctx's error.
func (m *Member) Range(ctx context.Context, req *consensusv1.RangeRequest) (resp *consensusv1.RangeResponse, err error) {
	begun := time.Now()
	defer func() { m.metrics.replication.Requested(replication.KindRange, begun, err) }()
	resp = &consensusv1.RangeResponse{RaftTerm: m.replica.Term()}
	err = m.callers.readRange(ctx, req, func(t *gate.Tenure) (err error) {
		defer m.metrics.ranged(time.Now(), &err)
		if len(req.GetRange().GetRangeEnd()) == 0 {
			resp.Result, resp.Revision, err = t.Store.Range(ctx, req.GetRange())
			return err
		}
		return t.Reading(ctx, func(ctx context.Context) (err error) {
			resp.Result, resp.Revision, err = t.Store.Range(ctx, req.GetRange())
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
	if err := m.reader.awaitWanted(ctx, req); err != nil {
		return err
	}
	serializable := req.GetSerializable()
	may := func(state *auth.State) error {
		return state.CheckRange(req.GetCaller(), m.callers.tokens, req.GetRange())
	}
	for stream := mvcc.NewRangeStream(req.GetRange(), rangeChunkBytes); !stream.Done(); {
		var chunk *consensusv1.RangeResult
		err := m.callers.confirmedRead(ctx, req, func() error {
			return m.reader.readData(ctx, serializable, func(t *gate.Tenure) error {
				return permitted(t, may, func() error {
					return t.Reading(ctx, func(ctx context.Context) (err error) {
						chunk, err = stream.Next(ctx, t.Store)
						return err
					})
				})
			})
		})
		if err != nil {
			return err
		}
		serializable = true // the first chunk has fixed the revision
		if err := send(&consensusv1.RangeStreamResponse{Result: chunk, Revision: stream.Head(), RaftTerm: m.replica.Term()}); err != nil {
			return err
		}
	}
	return nil
}

// ReadTxn evaluates a transaction that holds no writes. Errors are those of Range.
func (m *Member) ReadTxn(ctx context.Context, req *consensusv1.ReadTxnRequest) (resp *consensusv1.ReadTxnResponse, err error) {
	begun := time.Now()
	defer func() { m.metrics.replication.Requested(replication.KindReadTxn, begun, err) }()
	resp = &consensusv1.ReadTxnResponse{RaftTerm: m.replica.Term()}
	err = m.callers.readTxn(ctx, req, func(t *gate.Tenure) error {
		return t.Reading(ctx, func(ctx context.Context) (err error) {
			resp.Result, resp.Revision, err = t.Machine.ReadTxn(ctx, req.GetTxn())
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
	if err := m.reader.linearize(ctx); err != nil {
		return nil, err
	}
	state := m.gate.State()
	return &consensusv1.ReadIndexResponse{
		Revision: state.Revision(), RaftTerm: m.replica.Term(), LeaseEpoch: state.LeaseEpoch(), RaftIndex: m.replica.Applied(),
	}, nil
}

// Position tells where this member is, without waiting for anything.
func (m *Member) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return &consensusv1.PositionResponse{
		ClusterId: m.cfg.ClusterID,
		MemberId:  m.cfg.MemberID,
		RaftTerm:  m.replica.Term(),
		Revision:  m.gate.State().Revision(),
		RaftIndex: m.replica.Applied(),

		CompactedRevision: m.gate.State().CompactedRevision(),
		LeaderId:          m.replica.LeaderID(),
		Corrupt:           m.trust.Check() != nil,
	}, nil
}

// Tail sends commits from a revision on until ctx ends, send fails or the member stops: each once, in order, without
// gaps. A reader that falls below the compacted revision gets errdefs.ErrCompacted, and errdefs.ErrCorrupt once this
// member is not to be believed.
func (m *Member) Tail(ctx context.Context, req *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error) error {
	heartbeat := m.cfg.Clock.NewTicker(tailHeartbeat)
	defer heartbeat.Stop()
	next := req.GetFromRevision()
	for {
		if err := m.trust.Check(); err != nil {
			return fmt.Errorf("tail the feed: %w", err)
		}
		commits, changed, ok := m.feed.Since(next, tailBytesMax)
		if !ok {
			var err error
			if commits, err = m.reader.historyForTail(ctx, next); err != nil {
				return err
			}
		}
		if !req.GetAllowLeftOut() {
			var err error
			if commits, err = m.reader.completed(ctx, commits); err != nil {
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
			return fmt.Errorf("tail the feed: %w", errdefs.ErrStopped)
		}
	}
}

// History reads one stretch of past commits: errdefs.ErrCompacted where it begins below the compacted revision.
func (m *Member) History(ctx context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
	resp := &consensusv1.HistoryResponse{}
	bytes := req.GetMaxBytes()
	if bytes <= 0 {
		bytes = historyBytesMax
	}
	err := m.reader.readData(ctx, true, func(t *gate.Tenure) (err error) {
		to := req.GetToRevision()
		if head := t.Store.Revision(); to <= 0 || to > head {
			to = head
		}
		if req.GetParts() && len(req.GetKey()) == 0 {
			resp.Commits, resp.ThroughRevision, resp.NextSub, err = t.Store.HistoryParts(ctx, req.GetFromRevision(), req.GetFromSub(), to, bytes)
			return err
		}
		resp.Commits, resp.ThroughRevision, err = t.Store.History(ctx, req.GetFromRevision(), to, req.GetKey(), req.GetRangeEnd(), bytes)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
