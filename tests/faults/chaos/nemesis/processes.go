package nemesis

import (
	"context"
	"errors"
	"fmt"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
)

// Processes are the faults of members' processes.
func Processes() []Fault {
	return []Fault{
		{Name: "kill the leader", strike: onLeader(kill)},
		{Name: "kill a follower", strike: onFollower(kill)},
		{Name: "kill a majority", strike: onSome(majority, kill)},
		{Name: "kill all members", strike: onSome(everyone, kill)},
		{Name: "freeze the leader", strike: onLeader(freeze)},
		{Name: "freeze a follower", strike: onFollower(freeze)},
		{Name: "freeze a majority", strike: onSome(majority, freeze)},
		{Name: "freeze all members", strike: onSome(everyone, freeze)},
		{Name: "stop and start one by one", strike: oneByOne(func(*cluster.Member) error { return nil })},
	}
}

// Builds are the changes of the members' program, which are no faults but are to lose nothing. The error says why there are none.
func Builds(c *cluster.Cluster) ([]Fault, error) {
	if !c.HasOther() {
		return nil, errors.New("there is no other build")
	}
	swap := func(m *cluster.Member) error {
		m.Swap()
		return nil
	}
	return []Fault{
		{Name: "swap the binary one by one", strike: oneByOne(swap)},
		{Name: "kill a follower, and start it with the other binary", strike: onFollower(killAndSwap)},
	}, nil
}

// strikeOne does something to one member.
type strikeOne func(*cluster.Member) (string, heal, error)

func onLeader(do strikeOne) func(context.Context, *Scene) (string, heal, error) {
	return func(ctx context.Context, s *Scene) (string, heal, error) {
		leader, err := s.Cluster.Leader(ctx)
		if err != nil {
			return "", nil, err
		}
		return do(leader)
	}
}

func onFollower(do strikeOne) func(context.Context, *Scene) (string, heal, error) {
	return func(ctx context.Context, s *Scene) (string, heal, error) {
		follower, err := s.follower(ctx)
		if err != nil {
			return "", nil, err
		}
		return do(follower)
	}
}

// follower chooses a member that does not lead.
func (s *Scene) follower(ctx context.Context) (*cluster.Member, error) {
	leader, err := s.Cluster.Leader(ctx)
	if err != nil {
		return nil, err
	}
	var followers []*cluster.Member
	for _, m := range s.Cluster.Joined() {
		if m != leader {
			followers = append(followers, m)
		}
	}
	return followers[s.Random.IntN(len(followers))], nil
}

func kill(m *cluster.Member) (string, heal, error) {
	return m.Name(), func(context.Context) error { return m.Launch() }, m.Kill()
}

// everyone and majority say how many of so many members something is done to.
func everyone(members int) int { return members }
func majority(members int) int { return members/2 + 1 }

// onSome does something to as many members at once, chosen at random.
func onSome(many func(int) int, do strikeOne) func(context.Context, *Scene) (string, heal, error) {
	return func(_ context.Context, s *Scene) (string, heal, error) {
		members := s.Cluster.Joined()
		var names []string
		var heals []heal
		for _, i := range s.Random.Perm(len(members))[:many(len(members))] {
			name, undo, err := do(members[i])
			if err != nil {
				return name, nil, err
			}
			names, heals = append(names, name), append(heals, undo)
		}
		return fmt.Sprint(names), each(heals), nil
	}
}

// each undoes several faults.
func each(heals []heal) heal {
	return func(ctx context.Context) error {
		for _, undo := range heals {
			if err := undo(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func killAndSwap(m *cluster.Member) (string, heal, error) {
	m.Swap()
	return kill(m)
}

func freeze(m *cluster.Member) (string, heal, error) {
	return m.Name(), func(context.Context) error { return m.Resume() }, m.Pause()
}

// oneByOne stops one member after the other, does something to it, and starts it again once all serve.
func oneByOne(do func(*cluster.Member) error) func(context.Context, *Scene) (string, heal, error) {
	return func(ctx context.Context, s *Scene) (string, heal, error) {
		members := s.Cluster.Joined()
		for _, m := range members {
			if err := m.Stop(); err != nil {
				return m.Name(), nil, err
			}
			if err := do(m); err != nil {
				return m.Name(), nil, err
			}
			if err := m.Launch(); err != nil {
				return m.Name(), nil, err
			}
			if err := s.Cluster.Healthy(ctx); err != nil {
				return m.Name(), nil, err
			}
		}
		return fmt.Sprintf("%d members", len(members)), nil, nil
	}
}
