package rpc

import (
	"context"

	"connectrpc.com/connect"

	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1/consensusv1connect"
	"github.com/quoratedb/quorate/pkg/phases"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
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
func methods(m Member, a Auth, q Quotas, i Inspector, rules interceptor.Rules) batching.Methods {
	return batching.Methods{
		"Propose":        batching.Unary(rules, withPhases(m.Propose)),
		"Range":          batching.Unary(rules, m.Range),
		"ReadTxn":        batching.Unary(rules, m.ReadTxn),
		"ReadIndex":      batching.Unary(rules, m.ReadIndex),
		"Position":       batching.Unary(rules, m.Position),
		"History":        batching.Unary(rules, m.History),
		"Leases":         batching.Unary(rules, m.Leases),
		"LeaseKeys":      batching.Unary(rules, m.LeaseKeys),
		"Status":         batching.Unary(rules, m.Status),
		"Members":        batching.Unary(rules, m.Members),
		"AddMember":      batching.Unary(rules, m.AddMember),
		"RemoveMember":   batching.Unary(rules, m.RemoveMember),
		"UpdateMember":   batching.Unary(rules, m.UpdateMember),
		"PromoteMember":  batching.Unary(rules, m.PromoteMember),
		"MoveLeader":     batching.Unary(rules, m.MoveLeader),
		"Alarms":         batching.Unary(rules, m.Alarms),
		"HashKV":         batching.Unary(rules, m.HashKV),
		"WaitCompacted":  batching.Unary(rules, m.WaitCompacted),
		"Defragment":     batching.Unary(rules, m.Defragment),
		"HoldLeases":     batching.Unary(rules, m.HoldLeases),
		"ReadTree":       batching.Unary(rules, m.ReadTree),
		"TreeStatistics": batching.Unary(rules, m.TreeStatistics),
		"Authenticate":   batching.Unary(rules, a.Authenticate),
		"Authorize":      batching.Unary(rules, a.Authorize),
		"ReadAuth":       batching.Unary(rules, a.ReadAuth),
		"ReadQuotas":     batching.Unary(rules, q.ReadQuotas),
		"Inspect":        batching.Unary(rules, i.Inspect),
	}
}

// withPhases has the answer say where the time of a write went that took long.
func withPhases(propose func(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error)) func(context.Context, *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	return func(ctx context.Context, req *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
		ctx = phases.With(ctx)
		response, err := propose(ctx, req)
		if spent := *phases.Of(ctx); err == nil && spent != (phases.Phases{}) {
			response.Phases = &consensusv1.WritePhases{Queue: int64(spent.Queue), Sync: int64(spent.Sync), Replicate: int64(spent.Replicate), Apply: int64(spent.Apply)}
		}
		return response, err
	}
}

// newBatches serves calls in batches. Every stream is told where the member stands, and when that changes.
func newBatches(m Member, a Auth, q Quotas, i Inspector, rules interceptor.Rules) batching.Server[consensusv1.BatchRequest, consensusv1.BatchResponse] {
	return batching.Server[consensusv1.BatchRequest, consensusv1.BatchResponse]{
		Methods: methods(m, a, q, i, rules),
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
func OpenBatch(ctx context.Context, c connect.HTTPClient, url string, told func(*consensusv1.Standing)) (batching.Stream, error) {
	stream := &batching.ClientStream[consensusv1.BatchRequest, consensusv1.BatchResponse]{
		Open: consensusv1connect.NewConsensusServiceClient(interceptor.Whole(c), url, interceptor.ClientOptions()...).Batch,
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
