package nemesis

import (
	"context"
	"fmt"

	"github.com/quoratedb/quorate/tests/chaos/cluster"
)

// Processes are the faults of members' processes and disks.
func Processes() []Fault {
	return []Fault{
		{Name: "kill the leader", strike: onLeader(kill)},
		{Name: "kill a follower", strike: onFollower(kill)},
		{Name: "kill all members", strike: killAll},
		{Name: "freeze the leader", strike: onLeader(freeze)},
		{Name: "freeze a follower", strike: onFollower(freeze)},
		{Name: "fill the leader's disk", strike: onLeader(fillDisk)},
		{Name: "fill a follower's disk and kill it", strike: onFollower(fillDiskAndRestart)},
		{Name: "stop and start one by one", strike: rollingRestart},
	}
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

func killAll(_ context.Context, s *Scene) (string, heal, error) {
	members := s.Cluster.Joined()
	for _, m := range members {
		if err := m.Kill(); err != nil {
			return "", nil, err
		}
	}
	return fmt.Sprintf("%d members", len(members)), func(context.Context) error {
		for _, m := range members {
			if err := m.Launch(); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func freeze(m *cluster.Member) (string, heal, error) {
	return m.Name(), func(context.Context) error { return m.Resume() }, m.Pause()
}

func fillDisk(m *cluster.Member) (string, heal, error) {
	return m.Name(), m.FreeDisk, m.FillDisk()
}

// fillDiskAndRestart has a member find its disk full when it starts: files that exist already have room reserved, those that a start makes
// have none.
func fillDiskAndRestart(m *cluster.Member) (string, heal, error) {
	detail, undo, err := fillDisk(m)
	if err == nil {
		err = m.Kill()
	}
	if err == nil {
		err = m.Launch()
	}
	return detail, undo, err
}

func rollingRestart(ctx context.Context, s *Scene) (string, heal, error) {
	members := s.Cluster.Joined()
	for _, m := range members {
		if err := m.Stop(); err != nil {
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
