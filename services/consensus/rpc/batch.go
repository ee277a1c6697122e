package rpc

import (
	"context"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/edge"
	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/mux"
)

// Standing is where a member stands.
type Standing interface {
	// MemberID, ClusterID and Incarnation, which tells the member's data directory from another one, never change.
	MemberID() uint64
	ClusterID() uint64
	Incarnation() uint64
	// Standing returns who leads, 0 for nobody or where the member does not serve, in which raft term, and a channel that is
	// closed when that may have changed.
	Standing() (leader, term uint64, changed <-chan struct{})
}

// methods are the calls that travel in batches: all that do not stream.
func methods(m Member, rules edge.Rules) mux.Methods {
	return mux.Methods{
		"Propose":        mux.Unary(rules, m.Propose),
		"Range":          mux.Unary(rules, m.Range),
		"ReadTxn":        mux.Unary(rules, m.ReadTxn),
		"ReadIndex":      mux.Unary(rules, m.ReadIndex),
		"Position":       mux.Unary(rules, m.Position),
		"History":        mux.Unary(rules, m.History),
		"Leases":         mux.Unary(rules, m.Leases),
		"LeaseKeys":      mux.Unary(rules, m.LeaseKeys),
		"Status":         mux.Unary(rules, m.Status),
		"Members":        mux.Unary(rules, m.Members),
		"AddMember":      mux.Unary(rules, m.AddMember),
		"RemoveMember":   mux.Unary(rules, m.RemoveMember),
		"UpdateMember":   mux.Unary(rules, m.UpdateMember),
		"PromoteMember":  mux.Unary(rules, m.PromoteMember),
		"MoveLeader":     mux.Unary(rules, m.MoveLeader),
		"Alarms":         mux.Unary(rules, m.Alarms),
		"HashKV":         mux.Unary(rules, m.HashKV),
		"WaitCompacted":  mux.Unary(rules, m.WaitCompacted),
		"Defragment":     mux.Unary(rules, m.Defragment),
		"HoldLeases":     mux.Unary(rules, m.HoldLeases),
		"ReadTree":       mux.Unary(rules, m.ReadTree),
		"TreeStatistics": mux.Unary(rules, m.TreeStatistics),
	}
}

// newBatches serves calls in batches. Every stream is told where the member stands, and when that changes.
func newBatches(m Member, rules edge.Rules) mux.Server[consensusv1.BatchRequest, consensusv1.BatchResponse] {
	return mux.Server[consensusv1.BatchRequest, consensusv1.BatchResponse]{
		Methods: methods(m, rules),
		Calls:   (*consensusv1.BatchRequest).GetCalls,
		Begin: func() (func([]*batchv1.Answer) *consensusv1.BatchResponse, func() <-chan struct{}) {
			var told *consensusv1.Standing
			wrap := func(answers []*batchv1.Answer) *consensusv1.BatchResponse {
				response := &consensusv1.BatchResponse{Answers: answers}
				if leader, term, _ := m.Standing(); told == nil || told.GetLeaderId() != leader || told.GetRaftTerm() != term {
					told = &consensusv1.Standing{
						MemberId: m.MemberID(), LeaderId: leader, RaftTerm: term, ClusterId: m.ClusterID(), Incarnation: m.Incarnation(),
					}
					response.Standing = told
				}
				return response
			}
			changed := func() <-chan struct{} {
				_, _, changed := m.Standing()
				return changed
			}
			return wrap, changed
		},
	}
}

// OpenBatch opens a stream for calls in batches to the member at a URL, which ends with ctx. told is called with each
// standing of the member, before the answers that came with it are returned.
func OpenBatch(ctx context.Context, c connect.HTTPClient, url string, told func(*consensusv1.Standing)) (mux.Stream, error) {
	stream := &mux.ClientStream[consensusv1.BatchRequest, consensusv1.BatchResponse]{
		Open: consensusv1connect.NewConsensusServiceClient(edge.Whole(c), url, edge.ClientOptions()...).Batch,
		Wrap: func(calls []*batchv1.Call) *consensusv1.BatchRequest { return &consensusv1.BatchRequest{Calls: calls} },
		Unwrap: func(response *consensusv1.BatchResponse) []*batchv1.Answer {
			if standing := response.GetStanding(); standing != nil {
				told(standing)
			}
			return response.GetAnswers()
		},
	}
	return stream, stream.Start(ctx)
}
