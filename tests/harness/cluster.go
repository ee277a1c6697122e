package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
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
