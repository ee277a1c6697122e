// Command standin takes the place of a member in etcd's own suite, whose members are processes that it starts itself: it passes connections on to
// the store that QUORATE_TEST_ENDPOINT names, which is emptied when a member starts with a new data directory. It takes etcd's flags, and
// refuses what one endpoint without TLS cannot be. With QUORATE_TEST_PROGRAMS it makes members of services that run apart instead, and with
// QUORATE_TEST_PROXIED it puts a proxy in front of each.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// emptyWithin bounds the emptying of the store.
const emptyWithin = 20 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("etcd Version:", version.Version)
		return nil
	}
	if programs := os.Getenv(programsEnv); programs != "" {
		return services(ctx, programs, args)
	}
	if programs := os.Getenv(proxyEnv); programs != "" {
		return proxied(ctx, programs, args)
	}
	given := read(args)
	if strings.Contains(given["initial-cluster"], ",") || strings.HasPrefix(given["listen-client-urls"], "https:") || strings.HasPrefix(given["listen-peer-urls"], "https:") {
		return errors.New("one endpoint stands in for one member without TLS only")
	}
	at, err := url.Parse(given["listen-client-urls"])
	if err != nil {
		return err
	}
	if err := begin(ctx, given["data-dir"], os.Getenv(harness.EndpointEnv)); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", at.Host)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	fmt.Fprintln(os.Stderr, "ready to serve client requests")
	for {
		conn, err := listener.Accept()
		if err != nil {
			return nil // the signal
		}
		go pass(conn, os.Getenv(harness.EndpointEnv))
	}
}

// read takes the flags as etcd does, with the value behind = or as the next argument. Switches take no value of their own.
func read(args []string) map[string]string {
	given := map[string]string{}
	for i, arg := range args {
		name, found := strings.CutPrefix(arg, "--")
		if !found {
			continue
		}
		name, value, whole := strings.Cut(name, "=")
		if !whole && i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			value = args[i+1]
		}
		given[name] = value
	}
	return given
}

// begin empties the store, unless the data directory is that of a member which has been here before.
func begin(ctx context.Context, dataDir, endpoint string) error {
	mark := filepath.Join(dataDir, "standin")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, emptyWithin)
	defer cancel()
	if err := empty(ctx, endpoint); err != nil {
		return fmt.Errorf("empty the store at %s: %w", endpoint, err)
	}
	return errors.Join(os.MkdirAll(dataDir, 0o700), os.WriteFile(mark, nil, 0o600))
}

func empty(ctx context.Context, endpoint string) error {
	client, err := harness.Dial(endpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	leases, err := client.Leases(ctx)
	if err != nil {
		return err
	}
	for _, lease := range leases.Leases {
		if _, err := client.Revoke(ctx, lease.ID); err != nil {
			return err
		}
	}
	if _, err := client.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		return err
	}
	_, err = client.Delete(ctx, "", clientv3.WithPrefix())
	return err
}

// pass joins a connection with one to the store until both sides have said their last. The end of the program ends what is left.
func pass(near net.Conn, endpoint string) {
	defer near.Close()
	far, err := net.Dial("tcp", endpoint)
	if err != nil {
		return
	}
	defer far.Close()
	var ways sync.WaitGroup
	one := func(to, from net.Conn) {
		if _, err := io.Copy(to, from); err == nil {
			err = to.(*net.TCPConn).CloseWrite()
			if err == nil {
				return
			}
		}
		near.Close()
		far.Close()
	}
	ways.Go(func() { one(near, far) })
	ways.Go(func() { one(far, near) })
	ways.Wait()
}
