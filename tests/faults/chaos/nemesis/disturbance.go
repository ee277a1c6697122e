package nemesis

import (
	"context"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/network"
)

const (
	// disturbanceMin and disturbanceSpread say how long a member that is not the point of a fault is cut off meanwhile.
	disturbanceMin, disturbanceSpread = 500 * time.Millisecond, 3 * time.Second
)

// rough is a network that works, badly.
var rough = network.Link{Delay: 5 * time.Millisecond, Jitter: 40 * time.Millisecond, Loss: 0.05, Repeat: 0.02}

// disturb makes the network bad while something else is done to members, in one case of three for all that time, in one for a moment, and
// says how. The network is as it was once the function that it returns has.
func (s *Scene) disturb(ctx context.Context) (string, func()) {
	switch s.Random.IntN(3) {
	case 0:
		s.Network.SetAll(rough)
		return ", on a rough network", s.Network.Heal
	case 1:
		members := s.Cluster.Joined()
		m := members[s.Random.IntN(len(members))]
		ways := [][2]bool{{true, true}, {true, false}, {false, true}}
		way := ways[s.Random.IntN(len(ways))]
		d := disturbanceMin + time.Duration(s.Random.Int64N(int64(disturbanceSpread)))
		s.Network.Isolate(m.Index, way[0], way[1])
		timer := time.AfterFunc(d, s.Network.Heal)
		stop := context.AfterFunc(ctx, func() { timer.Reset(0) })
		return fmt.Sprintf(", while for %.1fs %s %s", d.Seconds(), m.Name(), cutNames[way]), func() {
			stop()
			timer.Stop()
			s.Network.Heal()
		}
	default:
		return "", func() {}
	}
}

var cutNames = map[[2]bool]string{
	{true, true}:  "is cut off",
	{true, false}: "cannot send",
	{false, true}: "cannot receive",
}
