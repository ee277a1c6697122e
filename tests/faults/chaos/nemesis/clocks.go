package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/clock"
	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
)

// jumps are how far wall clocks are moved: by less and by more than leases live.
var jumps = []time.Duration{-24 * time.Hour, -time.Hour, -10 * time.Second, 3 * time.Second, time.Hour, 365 * 24 * time.Hour}

// Clocks are the faults of wall clocks. The error says why there are none on this machine.
func Clocks(c *cluster.Cluster) ([]Fault, error) {
	if err := clock.Shift(c.Joined()[0].PID(), 0); err != nil {
		return nil, err
	}
	return []Fault{
		{Name: "the leader's clock jumps to and fro", strike: jumpLeader},
		{Name: "all clocks jump apart", strike: jumpAll},
	}, nil
}

func jumpLeader(ctx context.Context, s *Scene) (string, heal, error) {
	return onLeader(func(m *cluster.Member) (string, heal, error) {
		return jump(s.Random, m)
	})(ctx, s)
}

func jump(random *rand.Rand, m *cluster.Member) (string, heal, error) {
	by := jumps[random.IntN(len(jumps))]
	return fmt.Sprintf("%s by %v", m.Name(), by), func(context.Context) error {
		return clock.Shift(m.PID(), 0)
	}, clock.Shift(m.PID(), by)
}

func jumpAll(_ context.Context, s *Scene) (string, heal, error) {
	var details string
	var heals []heal
	for _, m := range s.Cluster.Joined() {
		detail, undo, err := jump(s.Random, m)
		if err != nil {
			return detail, nil, err
		}
		details += detail + "; "
		heals = append(heals, undo)
	}
	return details, each(heals), nil
}
