package rpc

import (
	"context"

	"google.golang.org/protobuf/proto"

	v1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

var (
	putK   = &v1.Command{Command: &v1.Command_Put{Put: &v1.PutOp{Key: []byte("k")}}}
	rangeK = &v1.RangeOp{Key: []byte("k"), Limit: 5}
)

// calls is one valid call of each method, and the messages it answers.
var calls = map[string]func(context.Context, Service) ([]proto.Message, error){
	"Propose": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.Propose(ctx, &v1.ProposeRequest{Command: putK})
		return []proto.Message{resp}, err
	},
	"Range": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.Range(ctx, &v1.RangeRequest{Range: rangeK})
		return []proto.Message{resp}, err
	},
	"ReadTxn": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.ReadTxn(ctx, &v1.ReadTxnRequest{Txn: &v1.TxnOp{}})
		return []proto.Message{resp}, err
	},
	"ReadIndex": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.ReadIndex(ctx, &v1.ReadIndexRequest{})
		return []proto.Message{resp}, err
	},
	"Position": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.Position(ctx, &v1.PositionRequest{})
		return []proto.Message{resp}, err
	},
	"History": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.History(ctx, &v1.HistoryRequest{FromRevision: 4})
		return []proto.Message{resp}, err
	},
	"Leases": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.Leases(ctx, &v1.LeasesRequest{})
		return []proto.Message{resp}, err
	},
	"LeaseKeys": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.LeaseKeys(ctx, &v1.LeaseKeysRequest{Id: 6})
		return []proto.Message{resp}, err
	},
	"Status": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.Status(ctx, &v1.StatusRequest{})
		return []proto.Message{resp}, err
	},
	"Members": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.Members(ctx, &v1.MembersRequest{})
		return []proto.Message{resp}, err
	},
	"HoldLeases": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.HoldLeases(ctx, &v1.HoldLeasesRequest{Epoch: 3, Leaving: true})
		return []proto.Message{resp}, err
	},
	"AddMember": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.AddMember(ctx, &v1.AddMemberRequest{PeerUrls: []string{"u"}})
		return []proto.Message{resp}, err
	},
	"RemoveMember": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.RemoveMember(ctx, &v1.RemoveMemberRequest{Id: 4})
		return []proto.Message{resp}, err
	},
	"UpdateMember": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.UpdateMember(ctx, &v1.UpdateMemberRequest{Id: 4, PeerUrls: []string{"u"}})
		return []proto.Message{resp}, err
	},
	"PromoteMember": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.PromoteMember(ctx, &v1.PromoteMemberRequest{Id: 4})
		return []proto.Message{resp}, err
	},
	"MoveLeader": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.MoveLeader(ctx, &v1.MoveLeaderRequest{Id: 4})
		return []proto.Message{resp}, err
	},
	"Alarms": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.Alarms(ctx, &v1.AlarmsRequest{})
		return []proto.Message{resp}, err
	},
	"HashKV": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.HashKV(ctx, &v1.HashKVRequest{})
		return []proto.Message{resp}, err
	},
	"Defragment": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.Defragment(ctx, &v1.DefragmentRequest{})
		return []proto.Message{resp}, err
	},
	"WaitCompacted": func(ctx context.Context, s Service) ([]proto.Message, error) {
		resp, err := s.WaitCompacted(ctx, &v1.WaitCompactedRequest{})
		return []proto.Message{resp}, err
	},
	"RangeStream": func(ctx context.Context, s Service) (got []proto.Message, err error) {
		err = s.RangeStream(ctx, &v1.RangeStreamRequest{Range: rangeK}, func(resp *v1.RangeStreamResponse) error {
			got = append(got, resp)
			return nil
		})
		return got, err
	},
	"Snapshot": func(ctx context.Context, s Service) (got []proto.Message, err error) {
		err = s.Snapshot(ctx, &v1.SnapshotRequest{}, func(resp *v1.SnapshotResponse) error {
			got = append(got, resp)
			return nil
		})
		return got, err
	},
	"Tail": func(ctx context.Context, s Service) (got []proto.Message, err error) {
		err = s.Tail(ctx, &v1.TailRequest{FromRevision: 1}, func(resp *v1.TailResponse) error {
			got = append(got, resp)
			return nil
		})
		return got, err
	},
}

// fake answers every call with a message of its own kind, or fails with err; its streams send two messages first.
// With ended set, Tail goes on until sending fails, and reports that.
type fake struct {
	err   error
	ended chan error
}

func (f *fake) Propose(context.Context, *v1.ProposeRequest) (*v1.ProposeResponse, error) {
	return &v1.ProposeResponse{Result: &v1.Result{Revision: 7}}, f.err
}

func (f *fake) Range(context.Context, *v1.RangeRequest) (*v1.RangeResponse, error) {
	return &v1.RangeResponse{Revision: 8}, f.err
}

func (f *fake) ReadTxn(context.Context, *v1.ReadTxnRequest) (*v1.ReadTxnResponse, error) {
	return &v1.ReadTxnResponse{RaftTerm: 2}, f.err
}

func (f *fake) ReadIndex(context.Context, *v1.ReadIndexRequest) (*v1.ReadIndexResponse, error) {
	return &v1.ReadIndexResponse{Revision: 9}, f.err
}

func (f *fake) Position(context.Context, *v1.PositionRequest) (*v1.PositionResponse, error) {
	return &v1.PositionResponse{MemberId: 3}, f.err
}

func (f *fake) History(context.Context, *v1.HistoryRequest) (*v1.HistoryResponse, error) {
	return &v1.HistoryResponse{ThroughRevision: 5}, f.err
}

func (f *fake) Leases(context.Context, *v1.LeasesRequest) (*v1.LeasesResponse, error) {
	return &v1.LeasesResponse{Leases: []*v1.Lease{{Id: 6}}}, f.err
}

func (f *fake) LeaseKeys(context.Context, *v1.LeaseKeysRequest) (*v1.LeaseKeysResponse, error) {
	return &v1.LeaseKeysResponse{Keys: [][]byte{{1}}}, f.err
}

func (f *fake) Status(context.Context, *v1.StatusRequest) (*v1.StatusResponse, error) {
	return &v1.StatusResponse{LeaseEpoch: 10}, f.err
}

func (f *fake) Members(context.Context, *v1.MembersRequest) (*v1.MembersResponse, error) {
	return &v1.MembersResponse{Members: []*v1.Member{{Name: "a"}}}, f.err
}

func (f *fake) AddMember(context.Context, *v1.AddMemberRequest) (*v1.AddMemberResponse, error) {
	return &v1.AddMemberResponse{Member: &v1.Member{Id: 11}}, f.err
}

func (f *fake) RemoveMember(context.Context, *v1.RemoveMemberRequest) (*v1.RemoveMemberResponse, error) {
	return &v1.RemoveMemberResponse{Members: []*v1.Member{{Id: 12}}}, f.err
}

func (f *fake) UpdateMember(context.Context, *v1.UpdateMemberRequest) (*v1.UpdateMemberResponse, error) {
	return &v1.UpdateMemberResponse{Members: []*v1.Member{{Id: 13}}}, f.err
}

func (f *fake) PromoteMember(context.Context, *v1.PromoteMemberRequest) (*v1.PromoteMemberResponse, error) {
	return &v1.PromoteMemberResponse{Members: []*v1.Member{{Id: 14}}}, f.err
}

func (f *fake) MoveLeader(context.Context, *v1.MoveLeaderRequest) (*v1.MoveLeaderResponse, error) {
	return &v1.MoveLeaderResponse{}, f.err
}

func (f *fake) Alarms(context.Context, *v1.AlarmsRequest) (*v1.AlarmsResponse, error) {
	return &v1.AlarmsResponse{Alarms: []*v1.Alarm{{MemberId: 11}}}, f.err
}

func (f *fake) HashKV(context.Context, *v1.HashKVRequest) (*v1.HashKVResponse, error) {
	return &v1.HashKVResponse{Hash: 12}, f.err
}

func (f *fake) HoldLeases(_ context.Context, r *v1.HoldLeasesRequest) (*v1.HoldLeasesResponse, error) {
	return &v1.HoldLeasesResponse{Epoch: r.GetEpoch()}, f.err
}

func (f *fake) ReadTree(context.Context, *v1.ReadTreeRequest) (*v1.ReadTreeResponse, error) {
	return &v1.ReadTreeResponse{Revision: 15}, f.err
}

func (f *fake) TreeStatistics(context.Context, *v1.TreeStatisticsRequest) (*v1.TreeStatisticsResponse, error) {
	return &v1.TreeStatisticsResponse{Expired: 16}, f.err
}

func (f *fake) MemberID() uint64                            { return 3 }
func (f *fake) ClusterID() uint64                           { return 6 }
func (f *fake) Incarnation() uint64                         { return 7 }
func (f *fake) Standing() (uint64, uint64, <-chan struct{}) { return 4, 5, nil }

func (f *fake) Defragment(context.Context, *v1.DefragmentRequest) (*v1.DefragmentResponse, error) {
	return &v1.DefragmentResponse{}, f.err
}

func (f *fake) WaitCompacted(context.Context, *v1.WaitCompactedRequest) (*v1.WaitCompactedResponse, error) {
	return &v1.WaitCompactedResponse{}, f.err
}

func (f *fake) RangeStream(_ context.Context, _ *v1.RangeStreamRequest, send func(*v1.RangeStreamResponse) error) error {
	return twice(send, func(i int) *v1.RangeStreamResponse { return &v1.RangeStreamResponse{Revision: int64(i)} }, f.err)
}

func (f *fake) Snapshot(_ context.Context, _ *v1.SnapshotRequest, send func(*v1.SnapshotResponse) error) error {
	return twice(send, func(i int) *v1.SnapshotResponse { return &v1.SnapshotResponse{RemainingBytes: uint64(i)} }, f.err)
}

func (f *fake) Tail(_ context.Context, _ *v1.TailRequest, send func(*v1.TailResponse) error) error {
	for i := 0; f.ended != nil; i++ {
		if err := send(&v1.TailResponse{Head: int64(i)}); err != nil {
			f.ended <- err
			return err
		}
	}
	return twice(send, func(i int) *v1.TailResponse { return &v1.TailResponse{Head: int64(i)} }, f.err)
}

// twice sends two messages and ends with err.
func twice[M any](send func(M) error, message func(i int) M, err error) error {
	for i := range 2 {
		if err := send(message(i + 1)); err != nil {
			return err
		}
	}
	return err
}

func (f *fake) Authenticate(context.Context, *v1.AuthenticateRequest) (*v1.AuthenticateResponse, error) {
	return &v1.AuthenticateResponse{AuthRevision: 17}, f.err
}

func (f *fake) Authorize(context.Context, *v1.AuthorizeRequest) (*v1.AuthorizeResponse, error) {
	return &v1.AuthorizeResponse{AuthRevision: 18}, f.err
}

func (f *fake) ReadAuth(context.Context, *v1.ReadAuthRequest) (*v1.ReadAuthResponse, error) {
	return &v1.ReadAuthResponse{AuthRevision: 19}, f.err
}

func (f *fake) FollowAuth(_ context.Context, _ *v1.FollowAuthRequest, send func(*v1.FollowAuthResponse) error) error {
	if err := send(&v1.FollowAuthResponse{AuthRevision: 20}); err != nil {
		return err
	}
	return f.err
}

func (f *fake) Inspect(context.Context, *v1.InspectRequest) (*v1.InspectResponse, error) {
	return &v1.InspectResponse{Revision: 22}, f.err
}

func (f *fake) ReadQuotas(context.Context, *v1.ReadQuotasRequest) (*v1.ReadQuotasResponse, error) {
	return &v1.ReadQuotasResponse{Revision: 21}, f.err
}
