package harness

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Cluster is the members of one cluster, each a process on this machine.
type Cluster []*Server

// NewCluster places n members on free loopback ports, each with a directory of its own below config.DataDir. It starts
// nothing.
func NewCluster(config Config, n int) Cluster {
	var cluster Cluster
	var founders []string
	for i := range n {
		name := fmt.Sprintf("m%d", i+1)
		own := config
		own.DataDir = filepath.Join(config.DataDir, name)
		member := place(own, name)
		cluster = append(cluster, member)
		founders = append(founders, member.founder())
	}
	for _, member := range cluster {
		member.founders = strings.Join(founders, ",")
	}
	return cluster
}

// Join adds a member that runs the program at binary, by way of client, starts it and waits until it serves. It is no part
// of c. As with etcd, members change only after all have been connected for some seconds: until then it asks again.
func (c Cluster) Join(ctx context.Context, client *clientv3.Client, binary, name string, learner bool) (*Server, error) {
	config := c[0].config
	config.Binary = binary
	config.DataDir = filepath.Join(filepath.Dir(config.DataDir), name)
	config.Args = append(slices.Clone(config.Args), "--initial-cluster-state=existing")
	joining := place(config, name)
	joining.founders = c[0].founders + "," + joining.founder()
	add := client.MemberAdd
	if learner {
		add = client.MemberAddAsLearner
	}
	_, err := add(ctx, []string{joining.peerURL()})
	for errors.Is(err, rpctypes.ErrUnhealthy) {
		_, err = add(ctx, []string{joining.peerURL()})
	}
	if err != nil {
		return nil, err
	}
	return joining, joining.Start(ctx)
}

// Start starts all members and waits until each serves. On failure nothing is left running.
func (c Cluster) Start(ctx context.Context) error {
	for _, member := range c {
		if err := member.Launch(); err != nil {
			c.Kill()
			return err
		}
	}
	for _, member := range c {
		if err := member.AwaitReady(ctx); err != nil {
			c.Kill()
			return err
		}
	}
	return nil
}

// Kill ends all members at once, as a crash would.
func (c Cluster) Kill() {
	for _, member := range c {
		member.Kill()
	}
}
