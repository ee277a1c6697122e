package forward

import (
	"context"
	"errors"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// Store answers, by what any cluster can be asked, the questions that wires have of a store besides what clients ask: where it is, whether a
// caller may read a range, and how it is.
type Store struct {
	Cluster   Cluster
	Namespace Namespace

	newest atomic.Int64
}

// Newest is the newest revision that the cluster has shown here.
func (s *Store) Newest() int64 { return s.newest.Load() }

func (s *Store) saw(revision int64) {
	for newest := s.newest.Load(); revision > newest && !s.newest.CompareAndSwap(newest, revision); {
		newest = s.newest.Load()
	}
}

// Position tells where the member is that takes the requests: a transaction of nothing has a header, and needs no right. That there is a leader,
// members say themselves to those who want one.
func (s *Store) Position(ctx context.Context, _ *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	answer := new(etcdserverpb.TxnResponse)
	if err := s.Cluster.Invoke(Outgoing(ctx), etcdserverpb.KV_Txn_FullMethodName, &etcdserverpb.TxnRequest{}, answer); err != nil {
		return nil, err
	}
	header := answer.GetHeader()
	s.saw(header.GetRevision())
	return &consensusv1.PositionResponse{
		ClusterId: header.GetClusterId(), MemberId: header.GetMemberId(), Revision: header.GetRevision(), RaftTerm: header.GetRaftTerm(),
	}, nil
}

// errNoReadIndex has whoever asks make do with the member's position, as etcd does.
var errNoReadIndex = errors.New("another server tells no read index")

// ReadIndex is not to be had of another server.
func (*Store) ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error) {
	return nil, errNoReadIndex
}

// Authorize asks whether a caller may read ranges, which is all that is asked here: by a transaction that would read them if no key had a version
// below zero. What is refused is refused by what it would read; nothing is read.
func (s *Store) Authorize(ctx context.Context, r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	question := &etcdserverpb.TxnRequest{}
	for _, access := range r.GetAccesses() {
		key := s.Namespace.Key(access.GetKey())
		question.Compare = append(question.Compare, &etcdserverpb.Compare{
			Key: key, Result: etcdserverpb.Compare_EQUAL, Target: etcdserverpb.Compare_VERSION, TargetUnion: &etcdserverpb.Compare_Version{Version: -1},
		})
		question.Success = append(question.Success, &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestRange{RequestRange: &etcdserverpb.RangeRequest{
			Key: key, RangeEnd: s.Namespace.End(access.GetRangeEnd()), Limit: 1, KeysOnly: true, Serializable: true,
		}}})
	}
	answer := new(etcdserverpb.TxnResponse)
	err := s.Cluster.Invoke(OutgoingFor(ctx, r.GetCaller(), WantsLeader(ctx)), etcdserverpb.KV_Txn_FullMethodName, question, answer)
	if err != nil {
		return nil, refusal(err)
	}
	s.saw(answer.GetHeader().GetRevision())
	return &consensusv1.AuthorizeResponse{}, nil
}

// refusals are what the cluster says of somebody who may not, and what that is here.
var refusals = map[string]error{
	text(rpctypes.ErrGRPCInvalidAuthToken): errdefs.ErrInvalidAuthToken,
	text(rpctypes.ErrGRPCAuthOldRevision):  errdefs.ErrAuthOldRevision,
	text(rpctypes.ErrGRPCUserEmpty):        errdefs.ErrUserEmpty,
	text(rpctypes.ErrGRPCPermissionDenied): errdefs.ErrPermissionDenied,
}

func text(err error) string { return status.Convert(err).Message() }

func refusal(err error) error {
	if known := refusals[text(err)]; known != nil {
		return known
	}
	return err
}

// FollowAuth tells nothing: the cluster ends the watches whose rights have gone.
func (*Store) FollowAuth(ctx context.Context, _ *consensusv1.FollowAuthRequest, _ func(*consensusv1.FollowAuthResponse) error) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// ReadAuth is not to be had of another server without a user of one's own.
func (*Store) ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	return nil, errdefs.ErrPermissionDenied
}

// Status, for checks of health, says no more than that there is a leader: the linearizable read finds out.
func (*Store) Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	return &consensusv1.StatusResponse{LeaderId: 1}, nil
}

// Alarms, for checks of health, are left to the members' own.
func (*Store) Alarms(context.Context, *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error) {
	return &consensusv1.AlarmsResponse{}, nil
}

// Range, for checks of health, reads one key for nobody. That nobody may is an answer too, as with etcd's proxy.
func (s *Store) Range(ctx context.Context, r *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
	request := &etcdserverpb.RangeRequest{Key: []byte{0}, Limit: 1, KeysOnly: true, Serializable: r.GetSerializable()}
	err := s.Cluster.Invoke(ctx, etcdserverpb.KV_Range_FullMethodName, request, new(etcdserverpb.RangeResponse))
	if err != nil && status.Code(err) != codes.PermissionDenied && text(err) != text(rpctypes.ErrGRPCUserEmpty) {
		return nil, err
	}
	return &consensusv1.RangeResponse{}, nil
}

// Led is asked by what ends streams without a leader: the members do that themselves.
type Led struct{}

// Position says that there is a leader.
func (Led) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return &consensusv1.PositionResponse{LeaderId: 1}, nil
}

// Open lets every request through: the cluster asks who makes it.
type Open struct{ *Store }

// Authorize says that everybody may.
func (Open) Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return &consensusv1.AuthorizeResponse{}, nil
}

var _ auth.Authorizer = Open{}
