package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/faults/chaos/disk"
	"github.com/quoratedb/quorate/tests/faults/chaos/network"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// askWithin bounds one question to one member.
	askWithin = time.Second
	// askAgain is the time between two tries.
	askAgain = 100 * time.Millisecond
	// HealthyWithin is how long an undisturbed cluster may take until every member serves: a few elections, a
	// snapshot, the client's way back to a member that was away, on a busy machine.
	HealthyWithin = 40 * time.Second
)

// peerPorts are those that a member has for the others in turn, when its URL is changed.
var peerPorts = [2]int{2380, 2390}

// Config says what to run.
type Config struct {
	Binary string
	// Other is another build, of the same or a newer source, that members can be swapped to; empty if there is none.
	Other string
	// Args follow the ones that place a member.
	Args []string
	// Members is how many there are at first, on the first hosts of the network; the other hosts are spare.
	Members int
	Network *network.Network
	// TLS has members and clients prove to each other who they are.
	TLS bool
	// Held lets disks be slowed and stalled, which costs some time per write.
	Held bool
	// Logs is an existing folder that keeps what members print, Disks one whose mounts are the sandbox's own.
	Logs, Disks string
}

// Cluster is the members of a store. Its methods may be called by one goroutine at a time, except Dial, DialAs, Endpoints, Deaths and Outages.
type Cluster struct {
	// Members are all hosts, spare ones too.
	Members   []*Member
	config    Config
	authority *certs.Authority // nil without TLS
	mu        struct {
		sync.Mutex
		deaths  []string
		outages []*outage
	}
}

// New makes disks and clients. It starts no process.
func New(config Config) (*Cluster, error) {
	c := &Cluster{config: config}
	if config.TLS {
		authority, err := certs.New(filepath.Join(config.Disks, "certs"))
		if err != nil {
			return nil, err
		}
		c.authority = authority
	}
	var initial []string
	for i, host := range config.Network.Hosts {
		m, err := c.newMember(i, host)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", host.Name, err)
		}
		if m.joined = i < config.Members; m.joined {
			initial = append(initial, m.Name()+"="+m.PeerURL())
		} else {
			c.down(m)
		}
		c.Members = append(c.Members, m)
	}
	for _, m := range c.Members {
		m.started = strings.Join(initial, ",")
	}
	return c, nil
}

func (c *Cluster) newMember(index int, host network.Host) (m *Member, err error) {
	m = &Member{Index: index, Host: host, cluster: c, binary: c.config.Binary, port: peerPorts[0], state: "new"}
	if m.disk, err = disk.New(filepath.Join(c.config.Disks, host.Name), diskBytes, c.config.Held); err != nil {
		return nil, err
	}
	if c.authority != nil {
		if m.certificate, err = c.authority.Issue(host.Name, host.Client, host.Peer); err != nil {
			return nil, err
		}
	}
	m.Client, err = c.Dial(m.Endpoint())
	return m, err
}

// Dial connects a client of its own to one endpoint, or to several that it uses in turn.
func (c *Cluster) Dial(endpoints ...string) (*clientv3.Client, error) {
	return c.dial("client", harness.DialTLS, endpoints...)
}

// DialAs is Dial of a user, once authentication is enabled. Some first member must serve.
func (c *Cluster) DialAs(user, password string, endpoints ...string) (*clientv3.Client, error) {
	// A new client logs in at once, which at a spare host nobody answers.
	etcd, err := c.dial(user, func(secrets *tls.Config, first ...string) (*clientv3.Client, error) {
		return harness.DialAs(user, password, secrets, first...)
	}, c.Endpoints()...)
	if err == nil {
		etcd.SetEndpoints(endpoints...)
	}
	return etcd, err
}

// dial connects a client whose certificate, if there is TLS, has a name: a server may take that for the user's.
func (c *Cluster) dial(name string, dial func(*tls.Config, ...string) (*clientv3.Client, error), endpoints ...string) (*clientv3.Client, error) {
	var secrets *tls.Config
	if c.authority != nil {
		var err error
		if secrets, err = c.authority.Client(name); err != nil {
			return nil, err
		}
	}
	return dial(secrets, endpoints...)
}

// LogIn has the members' own clients be those of a user, who must have root's rights, once authentication is enabled.
func (c *Cluster) LogIn(user, password string) error {
	for _, m := range c.Members {
		client, err := c.DialAs(user, password, m.Endpoint())
		if err != nil {
			return fmt.Errorf("log in at %s: %w", m.Name(), err)
		}
		m.Client.Close()
		m.Client = client
	}
	return nil
}

// Start starts the first members and waits until all serve.
func (c *Cluster) Start(ctx context.Context) error {
	for _, m := range c.Joined() {
		if err := m.Launch(); err != nil {
			return err
		}
	}
	return c.Healthy(ctx)
}

// Close kills what still runs, and gives the disks back.
func (c *Cluster) Close() {
	for _, m := range c.Members {
		_ = m.Kill()
		m.Client.Close()
	}
	for _, m := range c.Members {
		_ = m.disk.Close()
	}
}

// Joined are the members that belong to the cluster.
func (c *Cluster) Joined() []*Member {
	var joined []*Member
	for _, m := range c.Members {
		if m.joined {
			joined = append(joined, m)
		}
	}
	return joined
}

// Endpoints are the first members' client addresses.
func (c *Cluster) Endpoints() []string {
	var endpoints []string
	for _, m := range c.Members[:c.config.Members] {
		endpoints = append(endpoints, m.Endpoint())
	}
	return endpoints
}

// SpareEndpoints are those of the hosts that have no member at first.
func (c *Cluster) SpareEndpoints() []string {
	var endpoints []string
	for _, m := range c.Members[c.config.Members:] {
		endpoints = append(endpoints, m.Endpoint())
	}
	return endpoints
}

// Healthy waits until every member that belongs to the cluster answers a linearizable read.
func (c *Cluster) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, HealthyWithin)
	defer cancel()
	for _, m := range c.Joined() {
		err := again(ctx, func(ctx context.Context) error {
			_, err := m.Client.Get(ctx, "health")
			return err
		})
		if err != nil {
			return fmt.Errorf("%s does not serve: %w", m.Name(), err)
		}
		c.up(m)
	}
	return nil
}

// ErrNoLeader is returned by Leader when no running member knows one.
var ErrNoLeader = errors.New("no member knows a leader")

// Leader waits for the leader that the newest term has, as running members tell.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	ctx, cancel := context.WithTimeout(ctx, HealthyWithin)
	defer cancel()
	var leader *Member
	err := again(ctx, func(ctx context.Context) error {
		var term, id uint64
		ids := map[uint64]*Member{}
		for _, m := range c.Joined() {
			if !m.Running() {
				continue
			}
			status, err := m.status(ctx)
			if err != nil {
				continue
			}
			ids[status.Header.MemberId] = m
			if status.RaftTerm >= term && status.Leader != 0 {
				term, id = status.RaftTerm, status.Leader
			}
		}
		if leader = ids[id]; leader == nil {
			return ErrNoLeader
		}
		return nil
	})
	return leader, err
}

// LeaderOtherThan waits until a running member other than one leads.
func (c *Cluster) LeaderOtherThan(ctx context.Context, old *Member) (*Member, error) {
	ctx, cancel := context.WithTimeout(ctx, HealthyWithin)
	defer cancel()
	var leader *Member
	err := again(ctx, func(ctx context.Context) error {
		var err error
		if leader, err = c.Leader(ctx); err == nil && leader == old {
			err = fmt.Errorf("%s still leads", old.Name())
		}
		return err
	})
	return leader, err
}

// HasOther reports whether members can be swapped to another build.
func (c *Cluster) HasOther() bool { return c.config.Other != "" }

// Deaths are the processes that ended although nobody had them end.
func (c *Cluster) Deaths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.mu.deaths...)
}

func (c *Cluster) died(m *Member, state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.deaths = append(c.mu.deaths, fmt.Sprintf("%s ended by itself: %s, see its log", m.Name(), state))
}

func (c *Cluster) logFile(m *Member) string { return filepath.Join(c.config.Logs, m.Name()+".log") }

// again asks until the answer is not an error, or the time is over.
func again(ctx context.Context, ask func(context.Context) error) error {
	return harness.Again(ctx, askWithin, askAgain, ask)
}
