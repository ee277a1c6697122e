package v3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/v3"
)

// TestMemberList lists members from local state and in agreement with the others.
func TestMemberList(t *testing.T) {
	for _, linearizable := range []bool{true, false} {
		cluster := newServices(t, &fakeConsensus{members: func(r *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error) {
			require.Equal(t, !linearizable, r.GetSerializable())
			return &consensusv1.MembersResponse{Members: []*consensusv1.Member{{
				Id: 5, Name: "five", PeerUrls: []string{"p"}, ClientUrls: []string{"c"}, IsLearner: true,
			}}}, nil
		}}, nil).Cluster
		got, err := cluster.MemberList(t.Context(), &etcdserverpb.MemberListRequest{Linearizable: linearizable})
		require.NoError(t, err)
		equal(t, &etcdserverpb.MemberListResponse{Header: header(0), Members: []*etcdserverpb.Member{{
			ID: 5, Name: "five", PeerURLs: []string{"p"}, ClientURLs: []string{"c"}, IsLearner: true,
		}}}, got)
	}
}

// TestDowngrade checks that there is no version to downgrade to, and that what was not begun can be canceled, as with etcd.
func TestDowngrade(t *testing.T) {
	maintenance := newServices(t, &fakeConsensus{status: func() (*consensusv1.StatusResponse, error) {
		return &consensusv1.StatusResponse{ClusterId: clusterID, MemberId: memberID, RaftTerm: raftTerm, Revision: revision}, nil
	}}, nil).Maintenance
	for version, want := range map[string]error{"3.6": rpctypes.ErrGRPCInvalidDowngradeTargetVersion, "": rpctypes.ErrGRPCWrongDowngradeVersionFormat} {
		for _, action := range []etcdserverpb.DowngradeRequest_DowngradeAction{etcdserverpb.DowngradeRequest_VALIDATE, etcdserverpb.DowngradeRequest_ENABLE} {
			_, err := maintenance.Downgrade(t.Context(), &etcdserverpb.DowngradeRequest{Action: action, Version: version})
			require.Equal(t, want, err)
		}
	}
	answer, err := maintenance.Downgrade(t.Context(), &etcdserverpb.DowngradeRequest{Action: etcdserverpb.DowngradeRequest_CANCEL})
	require.NoError(t, err)
	equal(t, &etcdserverpb.DowngradeResponse{Header: header(revision), Version: "3.7"}, answer)
	_, err = maintenance.Downgrade(t.Context(), &etcdserverpb.DowngradeRequest{Action: 9})
	require.EqualError(t, err, "rpc error: code = Unknown desc = etcdserver: unknown method")
}

// TestStatus checks every field, and how a member without leader and with an alarm says so.
func TestStatus(t *testing.T) {
	found := &consensusv1.StatusResponse{
		ClusterId: clusterID, MemberId: memberID, LeaderId: 9, RaftTerm: raftTerm, RaftIndex: 101, RaftAppliedIndex: 100,
		Revision: revision, DbSize: 4096, DbSizeInUse: 2048, DbSizeQuota: 8192, IsLearner: true,
	}
	var alarms []*consensusv1.Alarm
	server := newServices(t, &fakeConsensus{
		status: func() (*consensusv1.StatusResponse, error) { return found, nil },
		alarms: func() (*consensusv1.AlarmsResponse, error) { return &consensusv1.AlarmsResponse{Alarms: alarms}, nil },
	}, nil).Maintenance
	want := &etcdserverpb.StatusResponse{
		Header: header(revision), Version: "3.7.0", StorageVersion: "3.7.1", DbSize: 4096, DbSizeInUse: 2048, DbSizeQuota: 8192,
		Leader: 9, RaftTerm: raftTerm, RaftIndex: 101, RaftAppliedIndex: 100, IsLearner: true,
		DowngradeInfo: &etcdserverpb.DowngradeInfo{},
	}
	got, err := server.Status(t.Context(), &etcdserverpb.StatusRequest{})
	require.NoError(t, err)
	equal(t, want, got)

	found.LeaderId = 0
	alarms = []*consensusv1.Alarm{{MemberId: memberID, Type: consensusv1.Alarm_TYPE_NOSPACE}}
	want.Leader = 0
	want.Errors = []string{"etcdserver: no leader", "memberID:22 alarm:NOSPACE"}
	got, err = server.Status(t.Context(), &etcdserverpb.StatusRequest{})
	require.NoError(t, err)
	equal(t, want, got)
}

// TestAlarm lists by type, raises and lowers alarms. A list is of the revision at which it was read, as a change of that at which it was
// applied.
func TestAlarm(t *testing.T) {
	raised := []*consensusv1.Alarm{
		{MemberId: 1, Type: consensusv1.Alarm_TYPE_NOSPACE},
		{MemberId: 2, Type: consensusv1.Alarm_TYPE_CORRUPT},
	}
	var proposed *consensusv1.AlarmOp
	server := newServices(t, &fakeConsensus{
		readIndex: func(context.Context) (*consensusv1.ReadIndexResponse, error) {
			return &consensusv1.ReadIndexResponse{Revision: 46, RaftTerm: raftTerm}, nil
		},
		alarms: func() (*consensusv1.AlarmsResponse, error) { return &consensusv1.AlarmsResponse{Alarms: raised}, nil },
		propose: func(_ context.Context, c *consensusv1.Command) (*consensusv1.Result, error) {
			proposed = c.GetAlarm()
			return &consensusv1.Result{Revision: 45, RaftTerm: raftTerm, Result: &consensusv1.Result_Alarm{
				Alarm: &consensusv1.AlarmResult{Changed: []*consensusv1.Alarm{proposed.GetAlarm()}},
			}}, nil
		},
	}, nil).Maintenance
	noSpace := &etcdserverpb.AlarmMember{MemberID: 1, Alarm: etcdserverpb.AlarmType_NOSPACE}
	corrupt := &etcdserverpb.AlarmMember{MemberID: 2, Alarm: etcdserverpb.AlarmType_CORRUPT}
	op := func(disarm bool) *consensusv1.AlarmOp {
		return &consensusv1.AlarmOp{Alarm: raised[0], Disarm: disarm}
	}
	cases := []struct {
		name     string
		request  *etcdserverpb.AlarmRequest
		revision int64
		alarms   []*etcdserverpb.AlarmMember
		proposed *consensusv1.AlarmOp
	}{
		{"list all", &etcdserverpb.AlarmRequest{}, 46, []*etcdserverpb.AlarmMember{noSpace, corrupt}, nil},
		{"list a type", &etcdserverpb.AlarmRequest{Alarm: etcdserverpb.AlarmType_CORRUPT}, 46, []*etcdserverpb.AlarmMember{corrupt}, nil},
		{"raise", &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: 1, Alarm: etcdserverpb.AlarmType_NOSPACE}, 45, []*etcdserverpb.AlarmMember{noSpace}, op(false)},
		{"lower", &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_DEACTIVATE, MemberID: 1, Alarm: etcdserverpb.AlarmType_NOSPACE}, 45, []*etcdserverpb.AlarmMember{noSpace}, op(true)},
		{"raise none", &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: 1}, revision, nil, nil},
		{"lower none", &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_DEACTIVATE, MemberID: 1}, revision, nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			proposed = nil
			got, err := server.Alarm(t.Context(), c.request)
			require.NoError(t, err)
			equal(t, &etcdserverpb.AlarmResponse{Header: header(c.revision), Alarms: c.alarms}, got)
			equal(t, c.proposed, proposed)
		})
	}
	for _, unknown := range []*etcdserverpb.AlarmRequest{{Action: 9}, {Alarm: 9}} {
		_, err := server.Alarm(t.Context(), unknown)
		require.Equal(t, codes.InvalidArgument, status.Code(err))
	}
}

// TestHashes checks the fields of both hashes, and the refusal of a revision that is not there.
func TestHashes(t *testing.T) {
	server := newServices(t, &fakeConsensus{hashKV: func(r *consensusv1.HashKVRequest) (*consensusv1.HashKVResponse, error) {
		if r.GetRevision() > 50 {
			return nil, fmt.Errorf("hash: %w", errdefs.ErrFutureRevision)
		}
		return &consensusv1.HashKVResponse{Hash: 1234, CompactedRevision: 5, HashRevision: 40, Revision: 43}, nil
	}}, nil).Maintenance
	kv, err := server.HashKV(t.Context(), &etcdserverpb.HashKVRequest{Revision: 40})
	require.NoError(t, err)
	equal(t, &etcdserverpb.HashKVResponse{Header: header(43), Hash: 1234, CompactRevision: 5, HashRevision: 40}, kv)
	_, err = server.HashKV(t.Context(), &etcdserverpb.HashKVRequest{Revision: 51})
	require.Equal(t, rpctypes.ErrGRPCFutureRev, err)

	whole, err := server.Hash(t.Context(), &etcdserverpb.HashRequest{})
	require.NoError(t, err)
	equal(t, &etcdserverpb.HashResponse{Header: header(43), Hash: 1234}, whole)
}

// TestDefragment checks that the store is asked, and that its failure is the call's.
func TestDefragment(t *testing.T) {
	var failure error
	server := newServices(t, &fakeConsensus{defragment: func() error { return failure }}, nil).Maintenance
	got, err := server.Defragment(t.Context(), &etcdserverpb.DefragmentRequest{})
	require.NoError(t, err)
	equal(t, &etcdserverpb.DefragmentResponse{}, got)
	failure = errdefs.ErrStopped
	_, err = server.Defragment(t.Context(), &etcdserverpb.DefragmentRequest{})
	require.Equal(t, rpctypes.ErrGRPCStopped, err)
}

// TestSnapshot checks that all parts arrive as the store makes them, and that its failure is the stream's.
func TestSnapshot(t *testing.T) {
	var failure error
	client := etcdserverpb.NewMaintenanceClient(dial(t, newServices(t, &fakeConsensus{
		snapshot: func(send func(*consensusv1.SnapshotResponse) error) error {
			for left := range 3 {
				part := &consensusv1.SnapshotResponse{Blob: []byte{byte(left)}, RemainingBytes: uint64(2 - left)}
				if err := send(part); err != nil {
					return err
				}
			}
			return failure
		},
	}, nil)))
	receive := func() (all []byte, err error) {
		stream, err := client.Snapshot(t.Context(), &etcdserverpb.SnapshotRequest{})
		require.NoError(t, err)
		for {
			part, err := stream.Recv()
			if err != nil {
				return all, err
			}
			all = append(all, part.GetBlob()...)
			require.Equal(t, uint64(3-len(all)), part.GetRemainingBytes())
			require.Equal(t, "3.7.1", part.GetVersion())
		}
	}
	all, err := receive()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []byte{0, 1, 2}, all)

	failure = errors.Join(errors.New("snapshot"), errdefs.ErrStopped)
	_, err = receive()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, "etcdserver: server stopped", status.Convert(err).Message())
}

// TestNewNeedsItsPorts checks that a forgotten port is found at the start.
func TestNewNeedsItsPorts(t *testing.T) {
	_, err := v3.New(v3.Config{Consensus: &fakeConsensus{}, Lease: &fakeLease{}})
	require.ErrorContains(t, err, "port is missing")
}

// TestHeadersNeedAnIdentity checks that an answer without a member's name is an error, and that the name is asked for
// until it is known.
func TestHeadersNeedAnIdentity(t *testing.T) {
	down := true
	consensus := &fakeConsensus{
		rangeKeys: func(context.Context, *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
			return &consensusv1.RangeResponse{Revision: 8, RaftTerm: raftTerm}, nil
		},
	}
	consensus.position = func(context.Context) (*consensusv1.PositionResponse, error) {
		if down {
			return nil, fmt.Errorf("position: %w", errdefs.ErrStopped)
		}
		return &consensusv1.PositionResponse{ClusterId: clusterID, MemberId: memberID}, nil
	}
	kv := newServices(t, consensus, nil).KV
	_, err := kv.Range(t.Context(), &etcdserverpb.RangeRequest{Key: []byte("k")})
	require.Equal(t, rpctypes.ErrGRPCStopped, err)
	down = false
	for range 2 {
		got, err := kv.Range(t.Context(), &etcdserverpb.RangeRequest{Key: []byte("k")})
		require.NoError(t, err)
		equal(t, header(8), got.GetHeader())
		down = true // not asked again
	}
}
