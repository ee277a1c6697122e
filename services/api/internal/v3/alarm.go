package v3

import (
	"context"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// etcd has no answer to these: it would raise an alarm that nobody knows, or fail.
var (
	errUnknownAlarm       = status.Error(codes.InvalidArgument, "etcdserver: unknown alarm type")
	errUnknownAlarmAction = status.Error(codes.InvalidArgument, "etcdserver: unknown alarm action")
)

// Alarm lists, raises or lowers alarms. It answers with the alarms that are raised, or with those that it changed.
func (s *MaintenanceServer) Alarm(ctx context.Context, r *etcdserverpb.AlarmRequest) (*etcdserverpb.AlarmResponse, error) {
	if _, known := etcdserverpb.AlarmType_name[int32(r.GetAlarm())]; !known {
		return nil, errUnknownAlarm
	}
	switch r.GetAction() {
	case etcdserverpb.AlarmRequest_GET:
		return s.listAlarms(ctx, r.GetAlarm())
	case etcdserverpb.AlarmRequest_ACTIVATE, etcdserverpb.AlarmRequest_DEACTIVATE:
		return s.changeAlarm(ctx, r)
	}
	return nil, errUnknownAlarmAction
}

// listAlarms lists the alarms of a type, or of all with NONE, as they are when it is called. Its header is of the read that makes
// sure of that: services apart may be told their position by a member that is behind.
func (s *MaintenanceServer) listAlarms(ctx context.Context, wanted etcdserverpb.AlarmType) (*etcdserverpb.AlarmResponse, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	read, err := s.consensus.ReadIndex(bounded, &consensusv1.ReadIndexRequest{})
	if err != nil {
		return nil, s.failure(bounded, err)
	}
	listed, err := s.consensus.Alarms(bounded, &consensusv1.AlarmsRequest{})
	if err != nil {
		return nil, s.failure(bounded, err)
	}
	header, err := s.header(ctx, read.GetRevision(), read.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	answer := &etcdserverpb.AlarmResponse{Header: header}
	for _, alarm := range fromAlarms(listed.GetAlarms()) {
		if wanted == etcdserverpb.AlarmType_NONE || wanted == alarm.GetAlarm() {
			answer.Alarms = append(answer.Alarms, alarm)
		}
	}
	return answer, nil
}

func (s *MaintenanceServer) changeAlarm(ctx context.Context, r *etcdserverpb.AlarmRequest) (*etcdserverpb.AlarmResponse, error) {
	if r.GetAlarm() == etcdserverpb.AlarmType_NONE {
		// No alarm is raised or lowered, which is no error. The command would mean all alarms.
		header, err := s.headerNow(ctx)
		if err != nil {
			return nil, err
		}
		return &etcdserverpb.AlarmResponse{Header: header}, nil
	}
	result, err := s.propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{
		Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{
			Alarm:  &consensusv1.Alarm{MemberId: r.GetMemberID(), Type: consensusv1.Alarm_Type(r.GetAlarm())},
			Disarm: r.GetAction() == etcdserverpb.AlarmRequest_DEACTIVATE,
		}},
	}})
	if err != nil {
		return nil, err
	}
	header, err := s.header(ctx, result.GetRevision(), result.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.AlarmResponse{Header: header, Alarms: fromAlarms(result.GetAlarm().GetChanged())}, nil
}

func fromAlarms(alarms []*consensusv1.Alarm) []*etcdserverpb.AlarmMember {
	converted := make([]*etcdserverpb.AlarmMember, len(alarms))
	for i, alarm := range alarms {
		converted[i] = &etcdserverpb.AlarmMember{MemberID: alarm.GetMemberId(), Alarm: etcdserverpb.AlarmType(alarm.GetType())}
	}
	return converted
}
