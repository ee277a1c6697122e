package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus"
	consensusrpc "github.com/quoratedb/quorate/services/consensus/rpc"
)

const (
	// promotionInterval is how often a learner asks to be promoted: often enough for people who wait for it, and no load.
	promotionInterval = time.Second
	// promotionTimeout bounds one question: the change of members that it may bring about takes a few round trips.
	promotionTimeout = 5 * time.Second
)

// PromoteWhenCaughtUp has the leader make a voter of m once m has caught up, where it is a learner, and returns when ctx
// ends. The leader decides, by the same rules as for everybody who asks; other learners may do the same meanwhile.
func (p *Peers) PromoteWhenCaughtUp(ctx context.Context, m *consensus.Member, log *slog.Logger) error {
	learner{
		id:  m.MemberID(),
		log: log,
		self: func() *consensusv1.Member {
			answer, err := m.Members(ctx, &consensusv1.MembersRequest{Serializable: true})
			if err != nil {
				return nil
			}
			for _, member := range answer.GetMembers() {
				if member.GetId() == m.MemberID() {
					return member
				}
			}
			return nil
		},
		ask: func(ctx context.Context) error { return p.askLeader(ctx, m) },
	}.run(ctx)
	<-ctx.Done() // what has nothing to do any more is no failure
	return nil
}

// askLeader asks whoever leads to promote m.
func (p *Peers) askLeader(ctx context.Context, m *consensus.Member) error {
	leader, _ := m.Leader()
	url, known := p.Transport.URL(leader)
	if !known {
		return errdefs.ErrNoLeader
	}
	_, err := consensusrpc.NewClient(p.Transport.HTTPClient(leader), url).PromoteMember(ctx, &consensusv1.PromoteMemberRequest{Id: m.MemberID()})
	return err
}

// learner is a member that wants to vote.
type learner struct {
	id   uint64
	log  *slog.Logger
	self func() *consensusv1.Member // as this member knows it, nil if it belongs to the cluster no more
	ask  func(context.Context) error
}

// run returns once the member votes, is removed, or ctx ends. The same refusal is logged once.
func (l learner) run(ctx context.Context) {
	if self := l.self(); self == nil || !self.GetIsLearner() {
		return
	}
	l.log.Info("this learner asks to be promoted as soon as it has caught up", "local-member-id", fmt.Sprintf("%x", l.id))
	ticker := time.NewTicker(promotionInterval)
	defer ticker.Stop()
	told := ""
	for {
		asking, cancel := context.WithTimeout(ctx, promotionTimeout)
		err := l.ask(asking)
		cancel()
		switch self := l.self(); {
		case err == nil, errors.Is(err, errdefs.ErrNotLearner), self != nil && !self.GetIsLearner():
			l.log.Info("this member has caught up and votes now", "local-member-id", fmt.Sprintf("%x", l.id))
			return
		case errors.Is(err, errdefs.ErrMemberRemoved), self == nil:
			l.log.Warn("this learner was removed before it could be promoted", "local-member-id", fmt.Sprintf("%x", l.id))
			return
		case ctx.Err() != nil:
			return
		// A new leader may not have applied yet what added this member, and not know it: that passes.
		case err.Error() != told:
			told = err.Error()
			l.log.Info("this learner is not promoted yet, and asks again", "reason", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
