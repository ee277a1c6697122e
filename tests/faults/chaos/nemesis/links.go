package nemesis

import (
	"context"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
	"github.com/quoratedb/quorate/tests/faults/chaos/network"
)

// flapEvery is how long a flapping link stays up or down: less than an election takes.
const flapEvery = 300 * time.Millisecond

// Links are the faults of the network between members.
func Links() []Fault {
	faults := []Fault{
		{Name: "cut off the leader", strike: onLink(true, true, true)},
		{Name: "cut off a follower", strike: onLink(false, true, true)},
		{Name: "the leader cannot send", strike: onLink(true, true, false)},
		{Name: "the leader cannot receive", strike: onLink(true, false, true)},
		{Name: "a follower cannot send", strike: onLink(false, true, false)},
		{Name: "a follower cannot receive", strike: onLink(false, false, true)},
		{Name: "split in two", strike: split},
		{Name: "cut between leader and one follower", strike: cutOne},
		{Name: "flapping link", strike: flap},
		{Name: "slow network", strike: all("40 to 120 ms a packet", network.Link{Delay: 40 * time.Millisecond, Jitter: 80 * time.Millisecond})},
		{Name: "lossy network", strike: all("15% lost, 5% twice, disordered", network.Link{Jitter: 10 * time.Millisecond, Loss: 0.15, Repeat: 0.05})},
	}
	for i := range faults {
		faults[i].onNetwork = true
	}
	return faults
}

// onLink cuts what one member sends, receives, or both. The network is healed by the caller.
func onLink(leader, sends, receives bool) func(context.Context, *Scene) (string, heal, error) {
	return func(ctx context.Context, s *Scene) (string, heal, error) {
		cut := func(m *cluster.Member) (string, heal, error) {
			s.Network.Isolate(m.Index, sends, receives)
			return m.Name(), nil, nil
		}
		if leader {
			return onLeader(cut)(ctx, s)
		}
		return onFollower(cut)(ctx, s)
	}
}

// split puts the members on two sides at random, the smaller one not empty.
func split(_ context.Context, s *Scene) (string, heal, error) {
	members := s.Cluster.Joined()
	order := s.Random.Perm(len(members))
	smaller := 1 + s.Random.IntN(max(1, (len(members)-1)/2))
	side := map[int]int{}
	var names []string
	for i, at := range order {
		if side[members[at].Index] = 0; i < smaller {
			side[members[at].Index] = 1
			names = append(names, members[at].Name())
		}
	}
	s.Network.Split(side)
	return fmt.Sprintf("%v from the others", names), nil, nil
}

func cutOne(ctx context.Context, s *Scene) (string, heal, error) {
	leader, err := s.Cluster.Leader(ctx)
	if err != nil {
		return "", nil, err
	}
	follower, err := s.follower(ctx)
	if err != nil {
		return "", nil, err
	}
	if follower == leader {
		return "the leader changed meanwhile", nil, nil
	}
	s.Network.Split(map[int]int{leader.Index: 0, follower.Index: 1})
	return leader.Name() + " and " + follower.Name(), nil, nil
}

// flap cuts a member off and lets it back, again and again, in a goroutine that ends when the fault is healed.
func flap(ctx context.Context, s *Scene) (string, heal, error) {
	members := s.Cluster.Joined()
	m := members[s.Random.IntN(len(members))]
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(flapEvery)
		defer ticker.Stop()
		for up := false; ; up = !up {
			if up {
				s.Network.Heal()
			} else {
				s.Network.Isolate(m.Index, true, true)
			}
			select {
			case <-stop:
				s.Network.Heal()
				return
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return m.Name(), func(context.Context) error {
		close(stop)
		<-stopped
		return nil
	}, nil
}

func all(detail string, link network.Link) func(context.Context, *Scene) (string, heal, error) {
	return func(_ context.Context, s *Scene) (string, heal, error) {
		s.Network.SetAll(link)
		return detail, nil, nil
	}
}
