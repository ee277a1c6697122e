package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

// readyWithin bounds the start of a node.
const readyWithin = 30 * time.Second

// stack is the services apart.
type stack struct {
	dir              string
	consensus, lease *program
	watch            []*program
	metrics          []string // where the watch nodes have theirs
	// The API nodes of those who put and of those who watch, and their endpoints.
	writersAPI, watchersAPI *program
	writers, watchers       string
}

// program is one node.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex
	text  bytes.Buffer
}

func address() string { return fmt.Sprintf("127.0.0.1:%d", harness.FreePort()) }

func startStack(ctx context.Context, bin string, watchNodes int) (s *stack, err error) {
	s = &stack{}
	if s.dir, err = os.MkdirTemp("", "quorate-scaling-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	internal, peer, leases := "http://"+address(), "http://"+address(), "http://"+address()
	start := func(name string, args ...string) *program {
		var p *program
		if err == nil {
			p, err = launch(ctx, filepath.Join(bin, name), args...)
		}
		return p
	}
	s.consensus = start("quorate-consensus", "--data-dir="+s.dir, "--listen-internal-urls="+internal, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer)
	s.lease = start("quorate-lease", "--consensus-endpoints="+internal, "--listen-internal-urls="+leases)
	var watches, routes []string
	for range watchNodes {
		watches, routes, s.metrics = append(watches, "http://"+address()), append(routes, "nats://"+address()), append(s.metrics, "http://"+address())
	}
	for i := range watchNodes {
		s.watch = append(s.watch, start("quorate-watch", "--consensus-endpoints="+internal, "--listen-internal-urls="+watches[i],
			"--listen-routes-url="+routes[i], "--routes="+strings.Join(routes, ","), "--listen-metrics-urls="+s.metrics[i]))
	}
	s.writers, s.watchers = address(), address()
	api := func(endpoint string) []string {
		return []string{
			"--consensus-endpoints=" + internal, "--lease-endpoints=" + leases,
			"--watch-endpoints=" + strings.Join(watches, ","), "--listen-client-urls=http://" + endpoint,
		}
	}
	s.writersAPI = start("quorate-api", api(s.writers)...)
	if err == nil {
		low := append(append([]string{}, lowPriority...), filepath.Join(bin, "quorate-api"))
		s.watchersAPI, err = launch(ctx, "nice", append(low, api(s.watchers)...)...)
	}
	return s, err
}

// lowPriority are nice's arguments for what is not to take time from the store.
var lowPriority = []string{"-n", "15"}

// launch starts a program and waits until it says that it serves.
func launch(ctx context.Context, path string, args ...string) (*program, error) {
	p := &program{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = in, in
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	in.Close()
	ready := make(chan struct{})
	go func() {
		defer close(p.ended)
		said := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.text.Write(append(lines.Bytes(), '\n'))
			p.mu.Unlock()
			if !said && bytes.Contains(lines.Bytes(), []byte("ready to serve")) {
				said = true
				close(ready)
			}
		}
		_ = p.cmd.Wait() // it was asked to end, or its output says why it did
	}()
	select {
	case <-ready:
		return p, nil
	case <-p.ended:
		err = errors.New("ended")
	case <-time.After(readyWithin):
		err = errors.New("does not serve")
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.stop()
	return nil, fmt.Errorf("%s %s: %w\n%s", path, strings.Join(args, " "), err, p.text.String())
}

func (p *program) stop() {
	if p != nil {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
	}
}

// cpu is what the process has spent so far.
func (p *program) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // user and system time
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil
}

func (s *stack) stop() {
	for _, p := range append(append([]*program{s.writersAPI, s.watchersAPI}, s.watch...), s.lease, s.consensus) {
		p.stop()
	}
	os.RemoveAll(s.dir)
}

// ingesting returns the place of the watch node that ingests, once there is one.
func (s *stack) ingesting(ctx context.Context) (int, error) {
	for ticker := time.NewTicker(100 * time.Millisecond); ; {
		for i, url := range s.metrics {
			resp, err := http.Get(url + "/metrics")
			if err != nil {
				return 0, err
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				return 0, err
			}
			if bytes.Contains(text, []byte("\nquorate_watch_ingesting 1\n")) {
				ticker.Stop()
				return i, nil
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
