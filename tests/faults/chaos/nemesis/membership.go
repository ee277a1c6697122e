package nemesis

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
)

// Membership are the changes of the membership, which are no faults but happen amid them.
func Membership() []Fault {
	return []Fault{
		{Name: "wipe a follower and add it anew", strike: onFollowerOf(replace)},
		{Name: "wipe the leader and add it anew", strike: onLeaderOf(replace)},
		{Name: "wipe a follower, start it as if nothing had happened, and add it anew", onNetwork: true, strike: onFollowerOf(replaceRefused)},
		{Name: "move a follower to another URL", strike: onFollowerOf(changeURL)},
		{Name: "move the leader to another URL", strike: onLeaderOf(changeURL)},
		{Name: "add a member, kill the leader, remove it again", strike: grow},
		{Name: "add a member, remove the leader, undo both", strike: swapLeader},
		{Name: "add a learner, kill the leader, promote it, remove it", strike: learn(onLeader(kill))},
		{Name: "add a learner, freeze the leader, promote it, remove it", strike: learn(onLeader(freeze))},
		{Name: "add a learner, kill it, promote it, remove it", strike: learn(onSpare(kill))},
		{Name: "move the leader", strike: moveLeader},
	}
}

// Promoting are those of learners that promote themselves. The error says why there are none.
func Promoting(c *cluster.Cluster) ([]Fault, error) {
	if !c.Promotes() {
		return nil, errors.New("the server has no such flag")
	}
	return []Fault{
		{Name: "add a learner that promotes itself, kill the leader, remove it", strike: learnAlone(onLeader(kill))},
		{Name: "add a learner that promotes itself, kill it, remove it", strike: learnAlone(onSpare(kill))},
	}, nil
}

type strikeMember func(context.Context, *Scene, *cluster.Member) (string, heal, error)

func onFollowerOf(do strikeMember) func(context.Context, *Scene) (string, heal, error) {
	return func(ctx context.Context, s *Scene) (string, heal, error) {
		return onFollower(func(m *cluster.Member) (string, heal, error) { return do(ctx, s, m) })(ctx, s)
	}
}

func onLeaderOf(do strikeMember) func(context.Context, *Scene) (string, heal, error) {
	return func(ctx context.Context, s *Scene) (string, heal, error) {
		return onLeader(func(m *cluster.Member) (string, heal, error) { return do(ctx, s, m) })(ctx, s)
	}
}

// replace is what one does about a member whose disk is lost: it gets a new id.
func replace(ctx context.Context, s *Scene, m *cluster.Member) (string, heal, error) {
	if err := m.Kill(); err != nil {
		return m.Name(), nil, err
	}
	if err := m.Wipe(); err != nil {
		return m.Name(), nil, err
	}
	return m.Name(), func(ctx context.Context) error {
		if err := s.Cluster.Remove(ctx, m); err != nil {
			return err
		}
		return s.Cluster.Add(ctx, m)
	}, nil
}

// replaceRefused has a member without its disk try to come back as it was: it could vote twice, so that it must not. It can only know
// while the network is well, because it has to ask the others.
func replaceRefused(ctx context.Context, s *Scene, m *cluster.Member) (string, heal, error) {
	detail, undo, err := replace(ctx, s, m)
	if err == nil {
		err = m.LaunchInVain(ctx)
	}
	return detail, undo, err
}

func changeURL(ctx context.Context, s *Scene, m *cluster.Member) (string, heal, error) {
	if err := s.Cluster.Move(ctx, m); err != nil {
		return m.Name(), nil, err
	}
	return m.Name() + " to " + m.PeerURL(), nil, nil
}

func (s *Scene) spare() (*cluster.Member, error) {
	for _, m := range s.Cluster.Members {
		if !m.Joined() {
			return m, nil
		}
	}
	return nil, errors.New("there is no spare host")
}

// addSpare adds a member, and returns it and who leads then.
func (s *Scene) addSpare(ctx context.Context) (spare, leader *cluster.Member, err error) {
	if spare, err = s.spare(); err != nil {
		return nil, nil, err
	}
	if err = s.Cluster.Add(ctx, spare); err == nil {
		leader, err = s.Cluster.Leader(ctx)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("with %s added: %w", spare.Name(), err)
	}
	return spare, leader, nil
}

// grow adds a member and has the leader die with that on its mind.
func grow(ctx context.Context, s *Scene) (string, heal, error) {
	spare, leader, err := s.addSpare(ctx)
	if err != nil {
		return "", nil, err
	}
	if err := leader.Kill(); err != nil {
		return spare.Name(), nil, err
	}
	return spare.Name() + ", leader " + leader.Name(), func(ctx context.Context) error {
		if err := leader.Launch(); err != nil {
			return err
		}
		return s.Cluster.Remove(ctx, spare)
	}, nil
}

// learn has something happen while there is a learner, which is made a voter after that.
func learn(do func(context.Context, *Scene) (string, heal, error)) func(context.Context, *Scene) (string, heal, error) {
	return amidLearning((*cluster.Cluster).AddLearner, (*cluster.Cluster).Promote, do)
}

// learnAlone is learn with a learner that becomes a voter by itself, whenever it can.
func learnAlone(do func(context.Context, *Scene) (string, heal, error)) func(context.Context, *Scene) (string, heal, error) {
	return amidLearning((*cluster.Cluster).AddPromoting, (*cluster.Cluster).AwaitPromoted, do)
}

func amidLearning(
	add, promote func(*cluster.Cluster, context.Context, *cluster.Member) error, do func(context.Context, *Scene) (string, heal, error),
) func(context.Context, *Scene) (string, heal, error) {
	return func(ctx context.Context, s *Scene) (string, heal, error) {
		learner, err := s.spare()
		if err != nil {
			return "", nil, err
		}
		if err := add(s.Cluster, ctx, learner); err != nil {
			return learner.Name(), nil, err
		}
		detail, undo, err := do(ctx, s)
		return learner.Name() + ", meanwhile " + detail, func(ctx context.Context) error {
			if err := undo(ctx); err != nil {
				return err
			}
			if err := promote(s.Cluster, ctx, learner); err != nil {
				return err
			}
			return s.Cluster.Remove(ctx, learner)
		}, err
	}
}

// onSpare does something to the member that was added last.
func onSpare(do strikeOne) func(context.Context, *Scene) (string, heal, error) {
	return func(_ context.Context, s *Scene) (string, heal, error) {
		joined := s.Cluster.Joined()
		return do(joined[len(joined)-1])
	}
}

func swapLeader(ctx context.Context, s *Scene) (string, heal, error) {
	spare, leader, err := s.addSpare(ctx)
	if err != nil {
		return "", nil, err
	}
	if leader == spare {
		return spare.Name() + ", which leads now", func(ctx context.Context) error { return s.Cluster.Remove(ctx, spare) }, nil
	}
	if err := s.Cluster.Remove(ctx, leader); err != nil {
		return spare.Name(), nil, err
	}
	return spare.Name() + ", leader " + leader.Name(), func(ctx context.Context) error {
		if err := s.Cluster.Add(ctx, leader); err != nil {
			return err
		}
		return s.Cluster.Remove(ctx, spare)
	}, nil
}

// moveLeader asks the leader to hand over. That it says no, or too late, is no failure: it may not be the leader any more.
func moveLeader(ctx context.Context, s *Scene) (string, heal, error) {
	leader, err := s.Cluster.Leader(ctx)
	if err != nil {
		return "", nil, err
	}
	follower, err := s.follower(ctx)
	if err != nil {
		return "", nil, err
	}
	id, err := follower.ID(ctx)
	if err != nil {
		return "", nil, err
	}
	detail := leader.Name() + " to " + follower.Name()
	ctx, cancel := context.WithTimeout(ctx, cluster.HealthyWithin)
	defer cancel()
	if _, err := clientv3.NewMaintenance(leader.Client).MoveLeader(ctx, id); err != nil {
		detail += ": " + err.Error()
	}
	return detail, nil, nil
}
