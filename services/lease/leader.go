package lease

import "context"

// Leadership is who leads the store, as the member beside this service knows it.
type Leadership interface {
	MemberID() uint64
	Leader() (id uint64, changed <-chan struct{})
}

// FollowLeader lets the leases be counted down where the leader is, until ctx ends: the service beside a member that becomes
// leader takes them over, and again if it loses them while that one leads; one beside a member that is leader no more leaves
// them alone. Between two of these the epoch keeps the one that is late from expiring any.
func (s *Service) FollowLeader(ctx context.Context, member Leadership) error {
	for {
		_, _, turned := s.Standing()
		leader, changed := member.Leader()
		if leader == member.MemberID() {
			s.TakeOver()
		} else {
			s.StepDown()
		}
		select {
		case <-changed:
		case <-turned:
		case <-ctx.Done():
			return nil
		}
	}
}
