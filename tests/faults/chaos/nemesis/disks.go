package nemesis

import (
	"context"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
)

// slowBy is how much longer each write and sync takes on a slow disk: a member writes some times per entry of its log.
const slowBy = 20 * time.Millisecond

// Disks are the faults of members' disks.
func Disks() []Fault {
	return []Fault{
		{Name: "fill the leader's disk", strike: onLeader(fillDisk)},
		{Name: "fill a follower's disk and kill it", strike: onFollower(fillDiskAndRestart)},
		{Name: "stall the leader's disk", strike: stallLeadersDisk},
		{Name: "stall a follower's disk", strike: onFollower(stallDisk)},
		{Name: "stall a follower's disk and kill it", strike: onFollower(stallDiskAndKill)},
		{Name: "slow disks", strike: onSome(everyone, slowDisk)},
	}
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

func stallDisk(m *cluster.Member) (string, heal, error) {
	m.StallDisk()
	return m.Name(), func(context.Context) error {
		m.ResumeDisk()
		return nil
	}, nil
}

// stallLeadersDisk expects another to lead: a leader that cannot write is of no use to anybody.
func stallLeadersDisk(ctx context.Context, s *Scene) (string, heal, error) {
	leader, err := s.Cluster.Leader(ctx)
	if err != nil {
		return "", nil, err
	}
	begin := time.Now()
	name, undo, err := stallDisk(leader)
	if err != nil {
		return name, nil, err
	}
	next, err := s.Cluster.LeaderOtherThan(ctx, leader)
	if err != nil {
		leader.ResumeDisk()
		return name, nil, err
	}
	return fmt.Sprintf("%s, after %.1fs %s leads", name, time.Since(begin).Seconds(), next.Name()), undo, nil
}

// stallDiskAndKill has a member die amid a write, and start from what it had got so far.
func stallDiskAndKill(m *cluster.Member) (string, heal, error) {
	m.StallDisk()
	if err := m.Kill(); err != nil {
		return m.Name(), nil, err
	}
	return m.Name(), func(context.Context) error {
		m.ResumeDisk()
		return m.Launch()
	}, nil
}

func slowDisk(m *cluster.Member) (string, heal, error) {
	m.SlowDisk(slowBy)
	return m.Name(), func(context.Context) error {
		m.ResumeDisk()
		return nil
	}, nil
}
