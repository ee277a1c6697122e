package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// readyLine begins what a server prints once clients may come ("ready to serve client requests"; etcd's users wait for
	// it too), and what a node does that serves other services.
	readyLine = "ready to serve "
	// readyWithin bounds a start, also of a server built with the race detector on a busy machine.
	readyWithin = 60 * time.Second
	// stopWithin bounds an orderly stop before it counts as hung.
	stopWithin = 30 * time.Second
	// outputBytesMax is how much of a server's output is kept, its newest part.
	outputBytesMax = 256 << 10
)

// Config says how to run a server.
type Config struct {
	// Binary is the program.
	Binary string
	// DataDir is its data directory; it outlives the server.
	DataDir string
	// Args follow the ones that place the server, and so may override them.
	Args []string
	// Env is added to this process's environment.
	Env []string
	// PeerTLS has members reach each other over TLS; Args say with which certificates.
	PeerTLS bool
}

// Server is one member as a process. It keeps its ports and its data directory over restarts.
// Its methods may be called by one goroutine at a time, except Output and Endpoint.
type Server struct {
	config Config
	name   string
	client int // port
	peer   int // port
	// founders are the members that a new cluster has, as the flag takes them.
	founders string
	process  *process
	// program is the whole command line of a node that is no server of clients, nil for one that is.
	program []string
	// elsewhere is the endpoint of a server whose ports are not client and peer, empty for any other.
	elsewhere string
}

// New places a server on free loopback ports, a cluster of its own. It starts nothing.
func New(config Config) *Server {
	s := place(config, "one")
	s.founders = s.founder()
	return s
}

func place(config Config, name string) *Server {
	return &Server{config: config, name: name, client: FreePort(), peer: FreePort()}
}

// founder names the server as one of its cluster's founders.
func (s *Server) founder() string { return s.name + "=" + s.peerURL() }

// At is a server that runs already and is not ours: only Endpoint, URL and Output may be called.
func At(endpoint string) *Server { return &Server{elsewhere: endpoint} }

// FreePort returns a loopback port that nobody listens on, and that no other call returns, in this process or in another,
// while this process lives: tests of several packages run at the same time, and a port is free until its server starts. It
// lies below the range that outgoing connections take their ports from: a client that dials a dead server there could
// otherwise connect to itself.
func FreePort() int {
	for {
		port := 10000 + rand.IntN(10000)
		if !reserve(port) {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		listener.Close()
		return port
	}
}

// Endpoint is the host and port that clients use.
func (s *Server) Endpoint() string {
	if s.elsewhere != "" {
		return s.elsewhere
	}
	return fmt.Sprintf("127.0.0.1:%d", s.client)
}

// URL is Endpoint with its scheme.
func (s *Server) URL() string { return "http://" + s.Endpoint() }

func (s *Server) peerURL() string {
	scheme := "http"
	if s.config.PeerTLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.peer)
}

// Binary is the program.
func (s *Server) Binary() string { return s.config.Binary }

// DataDir is the server's data directory.
func (s *Server) DataDir() string { return s.config.DataDir }

// PID is the process id of the running server.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Args is the whole command line after the program's name.
func (s *Server) Args() []string {
	if s.program != nil {
		return s.program
	}
	return append([]string{
		"--name=" + s.name,
		"--data-dir=" + s.config.DataDir,
		"--listen-client-urls=" + s.URL(),
		"--advertise-client-urls=" + s.URL(),
		"--listen-peer-urls=" + s.peerURL(),
		"--initial-advertise-peer-urls=" + s.peerURL(),
		"--initial-cluster=" + s.founders,
	}, s.config.Args...)
}

// SetBinary changes Config.Binary for the next start.
func (s *Server) SetBinary(path string) { s.config.Binary = path }

// SetArgs changes Config.Args for the next start.
func (s *Server) SetArgs(args ...string) { s.config.Args = args }

// Launch starts the process without waiting for it to serve.
func (s *Server) Launch() error {
	p := &process{cmd: exec.Command(s.config.Binary, s.Args()...), ready: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Environ(), s.config.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	// The server must not outlive a test that is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.process = p
	return p.start()
}

// Start starts the process and waits until it serves. On failure nothing is left running.
func (s *Server) Start(ctx context.Context) error {
	if err := s.Launch(); err != nil {
		return err
	}
	return s.AwaitReady(ctx)
}

// AwaitReady waits until a server that was launched serves. If it does not, nothing of it is left running.
func (s *Server) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case <-s.process.ready:
		return nil
	case <-s.process.ended:
		return fmt.Errorf("the server ended before it served: %w\n%s", s.process.err, s.Output())
	case <-ctx.Done():
		s.Kill()
		return fmt.Errorf("the server does not serve: %w\n%s", ctx.Err(), s.Output())
	}
}

// AwaitOutput waits until the running process has printed text.
func (s *Server) AwaitOutput(ctx context.Context, text string) error {
	printed := s.process.expect(text)
	select {
	case <-printed:
		return nil
	case <-s.process.ended:
		return fmt.Errorf("the server ended before it printed %q: %w\n%s", text, s.process.err, s.Output())
	case <-ctx.Done():
		return fmt.Errorf("the server does not print %q: %w\n%s", text, ctx.Err(), s.Output())
	}
}

// Kill ends the process at once, as a crash would, and waits for its end.
func (s *Server) Kill() {
	if s.process != nil {
		_ = s.process.cmd.Process.Signal(syscall.SIGKILL)
		<-s.process.ended
	}
}

// ErrHung is returned by Stop when the server does not end within its time; it has been killed then.
var ErrHung = errors.New("the server does not stop")

// Stop asks the server to end with the signal and returns its exit code, -1 if a signal ended it.
func (s *Server) Stop(signal syscall.Signal) (int, error) {
	if err := s.process.cmd.Process.Signal(signal); err != nil {
		return -1, err
	}
	return s.Wait(stopWithin)
}

// Wait waits for the process to end by itself and returns its exit code. It kills one that takes longer.
func (s *Server) Wait(within time.Duration) (int, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-s.process.ended:
		return s.process.cmd.ProcessState.ExitCode(), nil
	case <-timer.C:
		s.Kill()
		return -1, ErrHung
	}
}

// Pause freezes the process until Resume.
func (s *Server) Pause() error { return s.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a frozen process go on.
func (s *Server) Resume() error { return s.process.cmd.Process.Signal(syscall.SIGCONT) }

// Output is the newest part of what the server has printed since it was last started.
func (s *Server) Output() string {
	if s.process == nil {
		return ""
	}
	return s.process.output()
}

// process is one life of a server.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when it serves
	ended chan struct{} // closed after its end, err is set then
	err   error
	mu    struct {
		sync.Mutex
		text  []byte
		ready bool
		// wanted is what somebody waits for, printed is closed when it is there.
		wanted  string
		printed chan struct{}
	}
}

// start returns the system's refusal. Otherwise a goroutine waits for the end of the process and ends with it.
//
// Pdeathsig is sent when the thread that started the process ends; the runtime keeps idle threads, so that this happens when
// the whole test ends.
func (p *process) start() error {
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		if p.err == nil {
			p.err = errors.New("exit code 0")
		}
		close(p.ended)
	}()
	return nil
}

// Write takes the process's output.
func (p *process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.text = append(p.mu.text, text...)
	if !p.mu.ready && strings.Contains(string(p.mu.text), readyLine) {
		p.mu.ready = true
		close(p.ready)
	}
	p.noticeLocked()
	if over := len(p.mu.text) - outputBytesMax; over > 0 {
		p.mu.text = p.mu.text[over:]
	}
	return len(text), nil
}

// expect returns what is closed once the process has printed text; there is one such text at a time.
func (p *process) expect(text string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.wanted, p.mu.printed = text, make(chan struct{})
	printed := p.mu.printed
	p.noticeLocked()
	return printed
}

func (p *process) noticeLocked() {
	if p.mu.printed != nil && strings.Contains(string(p.mu.text), p.mu.wanted) {
		close(p.mu.printed)
		p.mu.printed = nil
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.mu.text)
}
