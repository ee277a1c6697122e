package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Remove takes a member out of the cluster through the other members, then ends its process and wipes its disk. It repeats until the
// members' list says so, because an answer may be lost.
func (c *Cluster) Remove(ctx context.Context, m *Member) error {
	if m.process != nil {
		// A member that learns of its removal ends by itself.
		m.process.tolerated.Store(true)
	}
	err := c.change(ctx, m, func(ctx context.Context, client *clientv3.Client, members []*etcdserverpb.Member) error {
		known := find(members, m)
		if known == nil {
			return nil
		}
		_, err := client.MemberRemove(ctx, known.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", m.Name(), err)
	}
	m.joined = false
	if err := m.Kill(); err != nil {
		return err
	}
	return m.Wipe()
}

// Add makes a host that stores nothing a learner, starts it, and makes it a voter once it has caught up.
func (c *Cluster) Add(ctx context.Context, m *Member) error {
	if err := c.AddLearner(ctx, m); err != nil {
		return err
	}
	return c.Promote(ctx, m)
}

// AddLearner makes a host that stores nothing a learner, and starts it.
func (c *Cluster) AddLearner(ctx context.Context, m *Member) error {
	err := c.change(ctx, m, func(ctx context.Context, client *clientv3.Client, members []*etcdserverpb.Member) error {
		if find(members, m) == nil {
			added, err := client.MemberAddAsLearner(ctx, []string{m.PeerURL()})
			if err != nil {
				return err
			}
			members = added.Members
		}
		var initial []string
		for _, member := range members {
			name := member.Name
			if slices.Contains(member.PeerURLs, m.PeerURL()) {
				name = m.Name()
			}
			// A member that was added but has not started yet has no name, and cannot be listed.
			if name != "" {
				initial = append(initial, name+"="+member.PeerURLs[0])
			}
		}
		m.started, m.state = strings.Join(initial, ","), "existing"
		return nil
	})
	if err != nil {
		return fmt.Errorf("add %s: %w", m.Name(), err)
	}
	m.joined = true
	return m.Launch()
}

// flagPromote has a learner make itself a voter once it has caught up. Not every server knows it.
const flagPromote = "--promote-when-caught-up"

// Promotes reports whether learners can promote themselves.
func (c *Cluster) Promotes() bool {
	help, _ := exec.Command(c.config.Binary, "--help").CombinedOutput()
	return strings.Contains(string(help), flagPromote)
}

// AddPromoting is AddLearner for one that promotes itself.
func (c *Cluster) AddPromoting(ctx context.Context, m *Member) error {
	m.promotes = true
	return c.AddLearner(ctx, m)
}

// AwaitPromoted waits until a learner that promotes itself has done so.
func (c *Cluster) AwaitPromoted(ctx context.Context, m *Member) error {
	defer func() { m.promotes = false }()
	err := c.change(ctx, m, func(_ context.Context, _ *clientv3.Client, members []*etcdserverpb.Member) error {
		if known := find(members, m); known == nil || known.IsLearner {
			return errors.New("is still a learner")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name(), err)
	}
	return nil
}

// Promote makes a learner a voter once it has caught up.
func (c *Cluster) Promote(ctx context.Context, m *Member) error {
	err := c.change(ctx, m, func(ctx context.Context, client *clientv3.Client, members []*etcdserverpb.Member) error {
		known := find(members, m)
		if known == nil {
			return errors.New("an added member is not in the list")
		}
		if !known.IsLearner {
			return nil
		}
		_, err := client.MemberPromote(ctx, known.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("promote %s: %w", m.Name(), err)
	}
	return nil
}

// Move gives a member another URL for the others, and starts it again there.
func (c *Cluster) Move(ctx context.Context, m *Member) error {
	id, err := m.ID(ctx)
	if err != nil {
		return err
	}
	old := m.port
	m.port = peerPorts[0] + peerPorts[1] - old
	err = c.change(ctx, m, func(ctx context.Context, client *clientv3.Client, members []*etcdserverpb.Member) error {
		if find(members, m) != nil {
			return nil
		}
		_, err := client.MemberUpdate(ctx, id, []string{m.PeerURL()})
		return err
	})
	if err != nil {
		return fmt.Errorf("change the peer URL of %s: %w", m.Name(), err)
	}
	if err := m.Stop(); err != nil {
		return err
	}
	return m.Launch()
}

// change tries a change of the membership through each other member in turn until one says that it is done. The change is
// given the list of members, and must be harmless to repeat.
func (c *Cluster) change(ctx context.Context, except *Member, do func(context.Context, *clientv3.Client, []*etcdserverpb.Member) error) error {
	ctx, cancel := context.WithTimeout(ctx, HealthyWithin)
	defer cancel()
	turn := 0
	return again(ctx, func(ctx context.Context) error {
		var via []*Member
		for _, m := range c.Joined() {
			if m != except && m.Running() {
				via = append(via, m)
			}
		}
		if len(via) == 0 {
			return errors.New("no other member runs")
		}
		m := via[turn%len(via)]
		turn++
		list, err := m.Client.MemberList(ctx)
		if err != nil {
			return err
		}
		return do(ctx, m.Client, list.Members)
	})
}

func find(members []*etcdserverpb.Member, m *Member) *etcdserverpb.Member {
	for _, member := range members {
		if slices.Contains(member.PeerURLs, m.PeerURL()) {
			return member
		}
	}
	return nil
}
