package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

const (
	// statusTimeout is how long a member may take to say how it is, and statusFresh how long that is not asked again, whoever wants to know.
	statusTimeout = time.Second
	statusFresh   = time.Second
	// clusterFresh is how long pages that follow the cluster share an answer.
	clusterFresh = 1500 * time.Millisecond
	// membersMax bounds the members that are asked.
	membersMax = 64
)

// Cluster tells of the members.
func (c *Console) Cluster(ctx context.Context, _ *consolev1.ClusterRequest) (*consolev1.ClusterResponse, error) {
	return c.clusterState(ctx)
}

// MoveLeader has leadership handed over. That its caller is root is asked before.
func (c *Console) MoveLeader(ctx context.Context, r *consolev1.MoveLeaderRequest) (*consolev1.MoveLeaderResponse, error) {
	if c.cfg.Members == nil {
		_, err := c.maintenance.MoveLeader(ctx, &etcdserverpb.MoveLeaderRequest{TargetID: r.GetTargetId()})
		return &consolev1.MoveLeaderResponse{}, err
	}
	return &consolev1.MoveLeaderResponse{}, c.cfg.Members.MoveLeader(ctx, r.GetTargetId())
}

// recent is the newest answer about the cluster, for all pages that follow it.
type recent struct {
	mu    sync.Mutex
	shown *consolev1.ClusterResponse // immutable
	at    time.Time
}

// clusterOfAll is clusterState for a page that follows the cluster: who may see it by their name sees what was asked for another a moment ago,
// so that many pages ask, and leave lines in the audit log, no more often than one.
func (c *Console) clusterOfAll(ctx context.Context) (*consolev1.ClusterResponse, error) {
	if may, err := c.cfg.Users.May(ctx, "", &consensusv1.AuthorizeRequest{}); err != nil || !may {
		return nil, cmp.Or(err, errDenied)
	}
	c.recent.mu.Lock()
	shown, fresh := c.recent.shown, time.Since(c.recent.at) < clusterFresh
	c.recent.mu.Unlock()
	if fresh {
		return shown, nil
	}
	shown, err := c.clusterState(ctx)
	if err != nil {
		return nil, err
	}
	c.recent.mu.Lock()
	defer c.recent.mu.Unlock()
	c.recent.shown, c.recent.at = shown, time.Now()
	return shown, nil
}

// clusterState asks with the caller's rights for the list, the alarms and how the member is that answers; then it knows that the caller may
// see how others are.
func (c *Console) clusterState(ctx context.Context) (*consolev1.ClusterResponse, error) {
	own, err := c.maintenance.Status(ctx, &etcdserverpb.StatusRequest{})
	if err != nil {
		return nil, err
	}
	listed, err := c.cluster.MemberList(ctx, &etcdserverpb.MemberListRequest{})
	if err != nil {
		return nil, err
	}
	alarms, err := c.maintenance.Alarm(ctx, &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_GET})
	if err != nil {
		return nil, err
	}
	answer := &consolev1.ClusterResponse{
		ClusterId: own.GetHeader().GetClusterId(), MemberId: own.GetHeader().GetMemberId(), LeaderId: own.GetLeader(), RaftTerm: own.GetRaftTerm(),
	}
	for _, alarm := range alarms.GetAlarms() {
		answer.Alarms = append(answer.Alarms, &consolev1.Alarm{MemberId: alarm.GetMemberID(), Kind: alarm.GetAlarm().String()})
	}
	members := listed.GetMembers()
	if len(members) > membersMax {
		members = members[:membersMax]
	}
	told := c.states.of(ctx, c.cfg.Members, members)
	for _, m := range members {
		answer.Members = append(answer.Members, c.memberState(m, own, told[m.GetID()]))
	}
	compare(answer)
	return answer, nil
}

// memberState puts together what is known of a member.
func (c *Console) memberState(m *etcdserverpb.Member, own *etcdserverpb.StatusResponse, told toldState) *consolev1.MemberState {
	state := &consolev1.MemberState{
		Id: m.GetID(), Name: m.GetName(), PeerUrls: m.GetPeerURLs(), ClientUrls: m.GetClientURLs(), Learner: m.GetIsLearner(), Leader: m.GetID() == own.GetLeader(),
	}
	self := m.GetID() == own.GetHeader().GetMemberId()
	if self {
		state.Version = own.GetVersion()
	}
	switch s := told.status; {
	case s != nil:
		state.Revision, state.CompactedRevision, state.RaftIndex, state.RaftAppliedIndex = s.GetRevision(), s.GetCompactedRevision(), s.GetRaftIndex(), s.GetRaftAppliedIndex()
		state.DbSize, state.DbSizeInUse, state.DbSizeQuota, state.Errors = s.GetDbSize(), s.GetDbSizeInUse(), s.GetDbSizeQuota(), s.GetErrors()
		state.DiskFree, state.Build = s.GetDiskFree(), s.GetBuild()
	case self:
		state.Revision, state.RaftIndex, state.RaftAppliedIndex = own.GetHeader().GetRevision(), own.GetRaftIndex(), own.GetRaftAppliedIndex()
		state.DbSize, state.DbSizeInUse, state.DbSizeQuota, state.Errors = own.GetDbSize(), own.GetDbSizeInUse(), own.GetDbSizeQuota(), own.GetErrors()
	case told.err != nil:
		state.Unreachable = status.Convert(told.err).Message()
	default:
		state.Unreachable = "not asked"
	}
	return state
}

// compare says how far members are behind, and how many may be lost.
func compare(answer *consolev1.ClusterResponse) {
	committed := uint64(0)
	for _, m := range answer.GetMembers() {
		committed = max(committed, m.GetRaftIndex())
	}
	well := int32(0)
	for _, m := range answer.GetMembers() {
		if m.GetUnreachable() == "" {
			m.Behind = committed - min(committed, m.GetRaftAppliedIndex())
		}
		if m.GetLearner() {
			continue
		}
		answer.Voters++
		if m.GetUnreachable() == "" {
			well++
		}
	}
	answer.MayLose = max(0, well-(answer.GetVoters()/2+1))
}

// toldState is what a member has said, or why it has not.
type toldState struct {
	status *consensusv1.StatusResponse
	err    error
}

// states has how members are, asked once for all who want to know at about the same time.
type states struct {
	mu    sync.Mutex
	ids   []uint64
	told  map[uint64]toldState
	asked time.Time
	under chan struct{} // closed when those who are being asked have said it; nil where nobody is
}

// errDenied is etcd's refusal.
var errDenied = status.Error(codes.PermissionDenied, "etcdserver: permission denied")

var errNotAsked = status.Error(codes.Unavailable, "this node cannot ask it")

// of returns how members are.
func (s *states) of(ctx context.Context, members Members, list []*etcdserverpb.Member) map[uint64]toldState {
	ids := make([]uint64, 0, len(list))
	for _, m := range list {
		ids = append(ids, m.GetID())
	}
	for {
		s.mu.Lock()
		if slices.Equal(s.ids, ids) && time.Since(s.asked) < statusFresh {
			defer s.mu.Unlock()
			return s.told
		}
		if under := s.under; under != nil {
			s.mu.Unlock()
			select {
			case <-under:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		s.under = make(chan struct{})
		s.mu.Unlock()
		told := ask(ctx, members, ids)
		s.mu.Lock()
		if ctx.Err() == nil {
			s.ids, s.told, s.asked = ids, told, time.Now()
		}
		close(s.under)
		s.under = nil
		s.mu.Unlock()
		return told
	}
}

// ask asks members at once how they are.
func ask(ctx context.Context, members Members, ids []uint64) map[uint64]toldState {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	found := make([]toldState, len(ids))
	var asking sync.WaitGroup
	for i, id := range ids {
		if members == nil {
			found[i].err = errNotAsked
			continue
		}
		asking.Go(func() {
			found[i].status, found[i].err = members.MemberStatus(ctx, id)
			if errors.Is(found[i].err, context.DeadlineExceeded) {
				found[i].err = status.Errorf(codes.Unavailable, "no answer within %s", statusTimeout)
			}
		})
	}
	asking.Wait()
	told := make(map[uint64]toldState, len(ids))
	for i, id := range ids {
		told[id] = found[i]
	}
	return told
}
