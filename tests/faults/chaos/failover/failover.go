package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
	"github.com/quoratedb/quorate/tests/faults/chaos/network"
)

const (
	// before and after are how long the load runs undisturbed, and without its leader.
	before, after = 2 * time.Second, 8 * time.Second
)

// Way is how a leader is lost.
type Way struct {
	Name string
	lose func(*cluster.Member, *network.Network) error
	// back brings the lost member back.
	back func(*cluster.Member, *network.Network) error
}

// Ways are all of them: its process crashes, it is asked to stop, and the others do not hear of it any more.
func Ways() []Way {
	launch := func(m *cluster.Member, _ *network.Network) error { return m.Launch() }
	return []Way{
		{"killed", func(m *cluster.Member, _ *network.Network) error { return m.Kill() }, launch},
		{"stopped", func(m *cluster.Member, _ *network.Network) error { return m.Stop() }, launch},
		{
			"cut off",
			func(m *cluster.Member, n *network.Network) error {
				n.Isolate(m.Index, true, true)
				return nil
			},
			func(_ *cluster.Member, n *network.Network) error {
				n.Heal()
				return nil
			},
		},
	}
}

// Measure loses the leader of a serving cluster under load, and returns the longest time without a successful write. In the end the
// cluster is whole again.
func Measure(ctx context.Context, c *cluster.Cluster, n *network.Network, way Way) (time.Duration, error) {
	leader, err := c.Leader(ctx)
	if err != nil {
		return 0, err
	}
	load := startLoad(c)
	wait(ctx, before)
	err = way.lose(leader, n)
	wait(ctx, after)
	times := load.stop()
	end := time.Now()
	if err != nil {
		return 0, err
	}
	if err := way.back(leader, n); err != nil {
		return 0, err
	}
	if err := c.Healthy(ctx); err != nil {
		return 0, err
	}
	if len(times) == 0 {
		return 0, fmt.Errorf("no write succeeded in %v", before+after)
	}
	longest := end.Sub(times[len(times)-1])
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest, ctx.Err()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
