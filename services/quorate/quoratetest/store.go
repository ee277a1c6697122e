package quoratetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/quoratedb/quorate/services/quorate"
)

// portsTriesMax is how often a store is placed anew because somebody took one of its ports between choosing it and listening on it.
const portsTriesMax = 10

// Store is a store that runs until its test ends.
type Store struct {
	members []*quorate.Server
	stop    context.CancelFunc
}

// Option changes what New makes.
type Option func(*options)

type options struct {
	members   int
	configure func(*quorate.Config)
}

// Members makes a cluster of so many members. Without it there is one.
func Members(n int) Option { return func(o *options) { o.members = n } }

// Configure changes each member's configuration before it starts: limits, v2, TLS. Its name, its places and its log are the package's own.
func Configure(change func(*quorate.Config)) Option { return func(o *options) { o.configure = change } }

// New starts a store for the length of a test and returns once every member serves. It ends the test if that fails, so that it
// must be called by the goroutine that runs it.
func New(t testing.TB, choices ...Option) *Store {
	t.Helper()
	o := options{members: 1, configure: func(*quorate.Config) {}}
	for _, choose := range choices {
		choose(&o)
	}
	if o.members < 1 {
		t.Fatalf("quoratetest: a store of %d members", o.members)
	}
	log := &testLog{}
	log.mu.t = t
	t.Cleanup(log.end) // after the store's end, which comes later in this function
	s, err := start(o, t.TempDir(), log)
	for try := 1; errors.Is(err, syscall.EADDRINUSE) && try < portsTriesMax; try++ {
		s, err = start(o, t.TempDir(), log)
	}
	if err != nil {
		t.Fatalf("quoratetest: start the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Errorf("quoratetest: stop the store: %v", err)
		}
	})
	return s
}

// Endpoints are the hosts and ports of all members, as clients of etcd take them.
func (s *Store) Endpoints() []string {
	var endpoints []string
	for _, url := range s.URLs() {
		_, place, _ := strings.Cut(url, "://")
		endpoints = append(endpoints, place)
	}
	return endpoints
}

// URLs are Endpoints with their scheme.
func (s *Store) URLs() []string {
	var urls []string
	for _, member := range s.members {
		urls = append(urls, member.ClientURLs()[0])
	}
	return urls
}

// close stops all members, and returns why one had ended before.
func (s *Store) close() error {
	s.stop()
	var errs []error
	for _, member := range s.members {
		errs = append(errs, member.Close())
	}
	return errors.Join(errs...)
}

// start starts all members of a store at once: none serves before most are there. On failure nothing is left running.
func start(o options, dir string, log *testLog) (*Store, error) {
	peers, err := freeURLs(o.members)
	if err != nil {
		return nil, err
	}
	var founders []string
	for i, peer := range peers {
		founders = append(founders, fmt.Sprintf("m%d=%s", i, peer))
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{members: make([]*quorate.Server, o.members), stop: stop}
	var starting sync.WaitGroup
	errs := make([]error, o.members) // each member's: that of one that was stopped must not hide why
	for i := range s.members {
		config := quorate.DefaultConfig()
		o.configure(&config)
		config.Name = fmt.Sprintf("m%d", i)
		config.DataDir = filepath.Join(dir, config.Name)
		config.ListenClientURLs = []string{"http://127.0.0.1:0"}
		config.ListenPeerURLs, config.InitialAdvertisePeerURLs = []string{peers[i]}, []string{peers[i]}
		config.InitialCluster = strings.Join(founders, ",")
		config.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})).With("member", config.Name)
		starting.Go(func() {
			if s.members[i], errs[i] = quorate.Start(ctx, config); errs[i] != nil {
				stop() // the others may wait for this one
			}
		})
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, member := range s.members {
			if member != nil {
				err = errors.Join(err, member.Close())
			}
		}
		return nil, err
	}
	return s, nil
}

// freeURLs are places on loopback ports that nobody listens on now.
func freeURLs(n int) ([]string, error) {
	var urls []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // held until all are chosen, so that they differ
		urls = append(urls, "http://"+listener.Addr().String())
	}
	return urls, nil
}
