// Compose runs the image of the store in one process alone, as docker run does. Then it runs the stack of docker-compose.yml, uses it as
// clients do, breaks each of its containers, and judges what clients saw.
//
//	make compose-test
//	make compose-test SEED=7 ONLY='pause lease|kill consensus' SUITES=false
//
// It needs a Docker engine with Compose and the images of make images, and ports 2379, 4001, 22379 and 24001. The stack is a project of its own, quorate-test, which is
// deleted in the end; what its containers printed is kept if anything failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/quoratedb/quorate/tests/faults/compose/stack"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// project keeps the stack apart from the one that make compose-up starts.
	project = "quorate-test"
	// endpoint and secondEndpoint are where clients come in.
	endpoint, secondEndpoint = "localhost:2379", "localhost:22379"
	// deleteWithin bounds the end, which a signal does not cut short.
	deleteWithin = 2 * time.Minute
)

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 0, "what chooses the order of faults and operations; 0 takes a new one")
	flag.StringVar(&o.only, "only", "", "do only faults whose action and service match this regular expression")
	flag.BoolVar(&o.suites, "suites", true, "run the suites of clients first")
	flag.StringVar(&o.dir, "dir", filepath.Join(harness.Root(), "bin", "compose"), "where the logs of containers go when something failed")
	flag.StringVar(&o.compose, "compose", "docker compose", "the command that is Docker Compose 2")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "compose: %v\nlogs of the containers: %s\nagain: make compose-test SEED=%d ONLY='%s'\n", err, o.dir, o.seed, o.only)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	seed    uint64
	only    string
	suites  bool
	dir     string
	compose string
}

func run(ctx context.Context, o options) error {
	if err := os.RemoveAll(o.dir); err != nil {
		return err
	}
	if err := imageAlone(ctx); err != nil {
		return fmt.Errorf("docker run quorate: %w", err)
	}
	s := stack.New(strings.Fields(o.compose), project, filepath.Join(harness.Root(), "docker-compose.yml"), filepath.Join(harness.Root(), "tests", "faults", "compose", "override.yml"))
	if o.suites {
		if err := onFresh(ctx, s, o.dir, suites); err != nil {
			return err
		}
	}
	return onFresh(ctx, s, o.dir, func(ctx context.Context, s *stack.Stack) error { return chaos(ctx, s, o) })
}

// onFresh does something with a new stack and deletes that.
func onFresh(ctx context.Context, s *stack.Stack, logs string, do func(context.Context, *stack.Stack) error) (err error) {
	if err := s.Down(ctx); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteWithin)
		defer cancel()
		if err != nil {
			err = errors.Join(err, s.SaveLogs(ctx, logs))
		}
		err = errors.Join(err, s.Down(ctx))
	}()
	begin := time.Now()
	if err := s.Up(ctx); err != nil {
		return err
	}
	fmt.Printf("the stack serves after %.1f s\n", time.Since(begin).Seconds())
	return do(ctx, s)
}

// suites has clients use the stack: our own suites of etcd's client and of etcdctl, and etcd's suite as far as it does with one endpoint.
func suites(ctx context.Context, _ *stack.Stack) error {
	for _, args := range [][]string{
		{"test", "-count=1", "./clients/clientv3", "./clients/etcdctl"},
		{"run", "./etcd/conformance", "-endpoint", endpoint, "-timeout", "5m"},
	} {
		begin := time.Now()
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = filepath.Join(harness.Root(), "tests")
		cmd.Env = append(os.Environ(), harness.EndpointEnv+"="+endpoint)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go %v: %w", args, err)
		}
		fmt.Printf("go %v: passed in %.0f s\n", args, time.Since(begin).Seconds())
	}
	return nil
}
