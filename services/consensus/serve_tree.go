package consensus

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
)

// ReadTree reads a file or directory of the tree that the v2 API shows. Errors are those of Range; that there is no such
// node is part of the answer.
func (m *Member) ReadTree(ctx context.Context, req *consensusv1.ReadTreeRequest) (*consensusv1.ReadTreeResponse, error) {
	resp := &consensusv1.ReadTreeResponse{RaftTerm: m.replica.Term()}
	err := m.callers.confirmedRead(ctx, req, func() error {
		return m.reader.readSeen(ctx, req, func(t *gate.Tenure) error {
			return m.callers.permittedTree(ctx, t, req, func() (*consensusv1.TreeNode, error) {
				err := t.Reading(ctx, func(ctx context.Context) error { return readTree(ctx, t, req, resp) })
				return resp.GetNode(), err
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func readTree(ctx context.Context, t *gate.Tenure, req *consensusv1.ReadTreeRequest, resp *consensusv1.ReadTreeResponse) error {
	r, err := t.Machine.ReadTree(ctx, req.GetPath(), req.GetRecursive())
	if err != nil {
		return err
	}
	resp.Node, resp.Failure, resp.Revision, resp.RaftIndex = r.Node, r.Failure, r.Revision, r.Index
	return nil
}

// TreeStatistics tells what this member has done since it was opened, as far as the v2 API shows it.
func (m *Member) TreeStatistics(context.Context, *consensusv1.TreeStatisticsRequest) (*consensusv1.TreeStatisticsResponse, error) {
	resp := m.gate.Machine().TreeStatistics()
	resp.Started = m.opened.UnixNano()
	resp.LeaderSince = m.replica.LeaderSince().UnixNano()
	return resp, nil
}
