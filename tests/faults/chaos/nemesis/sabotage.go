package nemesis

import (
	"context"
	"fmt"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
)

// Sabotage are faults that no store can survive, to see that the checks notice.
func Sabotage() []Fault {
	return []Fault{{Name: "sabotage: all disks go back in time", strike: rollBack}}
}

// rollBack has all members forget what they acknowledged in the last seconds.
func rollBack(ctx context.Context, s *Scene) (string, heal, error) {
	members := s.Cluster.Joined()
	if err := restartWith(members, (*cluster.Member).Save); err != nil {
		return "", nil, err
	}
	if err := s.Cluster.Healthy(ctx); err != nil {
		return "", nil, err
	}
	if err := pause(ctx, holdMin, holdSpread, s.Random); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("%d members", len(members)), nil, restartWith(members, (*cluster.Member).Restore)
}

// restartWith kills all members, does something to each disk, and starts them again.
func restartWith(members []*cluster.Member, do func(*cluster.Member) error) error {
	for _, m := range members {
		if err := m.Kill(); err != nil {
			return err
		}
	}
	for _, m := range members {
		if err := do(m); err != nil {
			return err
		}
		if err := m.Launch(); err != nil {
			return err
		}
	}
	return nil
}
