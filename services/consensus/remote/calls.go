package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/phases"
)

// call makes a call whose answer is a new Resp.
func call[Resp any, PResp interface {
	*Resp
	proto.Message
}](ctx context.Context, c *Client, h options, method string, req proto.Message) (PResp, error) {
	response := PResp(new(Resp))
	err := c.balancer.Call(ctx, h, method, req, response)
	if !h.Idempotent && errors.Is(err, errdefs.ErrStopped) {
		// A member is stopping, not this process: another one goes on, and what became of the change is open.
		err = fmt.Errorf("%w: %w", errdefs.ErrLeaderChanged, err)
	}
	if err != nil {
		return nil, err
	}
	return response, nil
}

// Propose has a command replicated: at the leader, or by a member that passes it on. It fails with the state machine's
// refusals, and with errdefs.ErrLeaderChanged when the outcome is open.
func (c *Client) Propose(ctx context.Context, req *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	before := c.store.known()
	response, err := call[consensusv1.ProposeResponse](ctx, c, change, "Propose", req)
	c.store.confirms(response.GetResult().GetRevision(), before)
	c.store.seesIndex(response.GetResult().GetRaftIndex())
	if told := response.GetPhases(); told != nil {
		if noted := phases.Of(ctx); noted != nil {
			noted.Add(phases.Phases{
				Queue: time.Duration(told.GetQueue()), Sync: time.Duration(told.GetSync()),
				Replicate: time.Duration(told.GetReplicate()), Apply: time.Duration(told.GetApply()),
			})
		}
	}
	return response, err
}

// Range reads a range of keys from one revision.
func (c *Client) Range(ctx context.Context, req *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
	if req.GetSerializable() {
		req = &consensusv1.RangeRequest{Range: req.GetRange(), Serializable: true, SeenRevision: c.store.newest(), Caller: req.GetCaller()}
	}
	response, err := call[consensusv1.RangeResponse](ctx, c, long(c.turns.reading(req.GetSerializable())), "Range", req)
	c.store.sees(response.GetRevision())
	return response, err
}

// ReadTxn evaluates a transaction that holds no writes.
func (c *Client) ReadTxn(ctx context.Context, req *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error) {
	if req.GetSerializable() {
		req = &consensusv1.ReadTxnRequest{Txn: req.GetTxn(), Serializable: true, SeenRevision: c.store.newest(), Caller: req.GetCaller()}
	}
	response, err := call[consensusv1.ReadTxnResponse](ctx, c, long(c.turns.reading(req.GetSerializable())), "ReadTxn", req)
	c.store.sees(response.GetRevision())
	return response, err
}

// ReadIndex answers once everything that was committed when it was called is applied at the member that is asked, and soon at
// any other that is asked afterwards how it is.
func (c *Client) ReadIndex(ctx context.Context, req *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error) {
	before := c.store.known()
	response, err := call[consensusv1.ReadIndexResponse](ctx, c, c.turns.read(), "ReadIndex", req)
	c.store.confirms(response.GetRevision(), before)
	c.store.seesIndex(response.GetRaftIndex())
	return response, err
}

// Position tells where the leader is, and no less than what any answer has shown.
func (c *Client) Position(ctx context.Context, req *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	response, err := call[consensusv1.PositionResponse](ctx, c, look, "Position", req)
	if err != nil {
		return nil, err
	}
	c.store.sees(response.GetRevision())
	c.store.seesIndex(response.GetRaftIndex())
	response.Revision = max(response.GetRevision(), c.store.seen.Load())
	return response, nil
}

// History reads one stretch of past commits.
func (c *Client) History(ctx context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
	return call[consensusv1.HistoryResponse](ctx, c, look, "History", req)
}

// Leases lists the leases that exist.
func (c *Client) Leases(ctx context.Context, req *consensusv1.LeasesRequest) (*consensusv1.LeasesResponse, error) {
	return call[consensusv1.LeasesResponse](ctx, c, long(c.turns.reading(req.GetSerializable())), "Leases", req)
}

// LeaseKeys lists the keys attached to a lease.
func (c *Client) LeaseKeys(ctx context.Context, req *consensusv1.LeaseKeysRequest) (*consensusv1.LeaseKeysResponse, error) {
	return call[consensusv1.LeaseKeysResponse](ctx, c, long(c.turns.read()), "LeaseKeys", req)
}

// HoldLeases tells the leader that the holder of a lease epoch is there.
func (c *Client) HoldLeases(ctx context.Context, req *consensusv1.HoldLeasesRequest) (*consensusv1.HoldLeasesResponse, error) {
	return call[consensusv1.HoldLeasesResponse](ctx, c, command, "HoldLeases", req)
}

// Status tells how the leader is, or the nearest member, once that has applied what any answer has shown, if it soon has.
func (c *Client) Status(ctx context.Context, req *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	options := look
	if req.GetNearest() {
		options.Picker = nearest{}
	}
	req = &consensusv1.StatusRequest{Nearest: req.GetNearest(), Seen: c.store.shown()}
	response, err := call[consensusv1.StatusResponse](ctx, c, options, "Status", req)
	c.store.sees(response.GetRevision())
	c.store.seesIndex(response.GetRaftAppliedIndex())
	return response, err
}

// Members lists the cluster's members.
func (c *Client) Members(ctx context.Context, req *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error) {
	return call[consensusv1.MembersResponse](ctx, c, c.turns.reading(req.GetSerializable()), "Members", req)
}

// AddMember adds a voter or a learner.
func (c *Client) AddMember(ctx context.Context, req *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error) {
	return call[consensusv1.AddMemberResponse](ctx, c, change, "AddMember", req)
}

// RemoveMember removes a member.
func (c *Client) RemoveMember(ctx context.Context, req *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error) {
	return call[consensusv1.RemoveMemberResponse](ctx, c, change, "RemoveMember", req)
}

// UpdateMember changes a member's peer URLs.
func (c *Client) UpdateMember(ctx context.Context, req *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error) {
	return call[consensusv1.UpdateMemberResponse](ctx, c, change, "UpdateMember", req)
}

// PromoteMember makes a voter of a learner, at the leader.
func (c *Client) PromoteMember(ctx context.Context, req *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	return call[consensusv1.PromoteMemberResponse](ctx, c, command, "PromoteMember", req)
}

// MoveLeader hands leadership to a member, at the leader.
func (c *Client) MoveLeader(ctx context.Context, req *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error) {
	return call[consensusv1.MoveLeaderResponse](ctx, c, command, "MoveLeader", req)
}

// Alarms lists the raised alarms.
func (c *Client) Alarms(ctx context.Context, _ *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error) {
	return call[consensusv1.AlarmsResponse](ctx, c, look, "Alarms", &consensusv1.AlarmsRequest{Seen: c.store.shown()})
}

// HashKV hashes what is visible at the leader.
func (c *Client) HashKV(ctx context.Context, req *consensusv1.HashKVRequest) (*consensusv1.HashKVResponse, error) {
	req = &consensusv1.HashKVRequest{Revision: req.GetRevision(), Seen: c.store.shown()}
	response, err := call[consensusv1.HashKVResponse](ctx, c, long(look), "HashKV", req)
	c.store.sees(response.GetRevision())
	return response, err
}

// WaitCompacted answers once the leader has given up the space of everything below the compacted revision.
func (c *Client) WaitCompacted(ctx context.Context, _ *consensusv1.WaitCompactedRequest) (*consensusv1.WaitCompactedResponse, error) {
	return call[consensusv1.WaitCompactedResponse](ctx, c, long(look), "WaitCompacted", &consensusv1.WaitCompactedRequest{Seen: c.store.shown()})
}

// Defragment has the leader tidy up its files.
func (c *Client) Defragment(ctx context.Context, req *consensusv1.DefragmentRequest) (*consensusv1.DefragmentResponse, error) {
	return call[consensusv1.DefragmentResponse](ctx, c, look, "Defragment", req)
}

// ReadTree reads a file or a directory.
func (c *Client) ReadTree(ctx context.Context, req *consensusv1.ReadTreeRequest) (*consensusv1.ReadTreeResponse, error) {
	if req.GetSerializable() {
		req = proto.CloneOf(req)
		req.SeenRevision = c.store.newest()
	}
	response, err := call[consensusv1.ReadTreeResponse](ctx, c, long(c.turns.reading(req.GetSerializable())), "ReadTree", req)
	c.store.sees(response.GetRevision())
	c.store.seesIndex(response.GetRaftIndex())
	return response, err
}

// TreeStatistics tells what the leader has done since it started.
func (c *Client) TreeStatistics(ctx context.Context, req *consensusv1.TreeStatisticsRequest) (*consensusv1.TreeStatisticsResponse, error) {
	return call[consensusv1.TreeStatisticsResponse](ctx, c, look, "TreeStatistics", req)
}
