package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// programsEnv names the folder of the programs of services that run apart. With it the stand-in is a member made of them: one of quorate-consensus,
// -lease, -watch and -api, on ports that follow from the member's peer port, so that each finds those of all members.
const programsEnv = "QUORATE_TEST_PROGRAMS"

// The suite's ports lie from 20000 on, five to a member, and end before 22000. So far above a peer port are those of the member's services.
const (
	consensusAbove = 10000 + iota
	leaseAbove
	watchAbove
	routesAbove
)

// ownFlags are set by the stand-in itself, or mean something to one program only.
var ownFlags = map[string]string{"listen-metrics-urls": "quorate-api", "config-file": "", "log-outputs": ""}

// services runs a member as four programs until ctx ends or one of them does.
func services(ctx context.Context, programs string, args []string) error {
	given := read(args)
	peers, err := peerURLs(given)
	if err != nil {
		return err
	}
	own, err := url.Parse(strings.Split(given["listen-peer-urls"], ",")[0])
	if err != nil {
		return err
	}
	// The member's own comes first: an API node tells the status of the member that it names first.
	everywhere := func(scheme string, above int) string {
		urls := []string{shifted(own, scheme, above)}
		for _, peer := range peers {
			if u := shifted(peer, scheme, above); u != urls[0] {
				urls = append(urls, u)
			}
		}
		return strings.Join(urls, ",")
	}
	consensus := "--consensus-endpoints=" + everywhere("http", consensusAbove)
	at := func(above int) string { return "--listen-internal-urls=" + shifted(own, "http", above) }
	secrets, err := autoTLS(given)
	if err != nil {
		return err
	}
	commands := []struct {
		program string
		args    []string
	}{
		{"quorate-consensus", []string{at(consensusAbove)}},
		{"quorate-lease", []string{consensus, at(leaseAbove)}},
		{"quorate-watch", []string{
			consensus, at(watchAbove),
			"--listen-routes-url=" + shifted(own, "nats", routesAbove), "--routes=" + everywhere("nats", routesAbove),
		}},
		{"quorate-api", append(secrets, consensus, "--lease-endpoints="+everywhere("http", leaseAbove), "--watch-endpoints="+everywhere("http", watchAbove))},
	}
	var running []*exec.Cmd
	ended := make(chan error, len(commands))
	for _, c := range commands {
		path := filepath.Join(programs, c.program)
		theirs, err := passedOn(path, args)
		if err != nil {
			return err
		}
		cmd := exec.Command(path, append(theirs, c.args...)...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if c.program != "quorate-api" {
			// What the suite reads from a trace of requests is of its own, not of those between the programs.
			cmd.Env = append(os.Environ(), "GODEBUG=")
		}
		// A crash of the stand-in is one of all four.
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			stopAll(running)
			return err
		}
		running = append(running, cmd)
		go func() { ended <- fmt.Errorf("%s ended: %w", c.program, errors.Join(cmd.Wait(), errEnded)) }()
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-ended:
		ended <- nil
	}
	stopAll(running)
	for range running {
		<-ended
	}
	return err
}

// autoTLS are the flags of a certificate that vouches for itself, if --auto-tls asks for one: an API node keeps no directory to make it in.
func autoTLS(given map[string]string) ([]string, error) {
	if auto, asked := given["auto-tls"]; !asked || auto == "false" {
		return nil, nil
	}
	cert, key, err := tlsconfig.SelfSigned(filepath.Join(given["data-dir"]+".standin", "client"), []string{"localhost", "127.0.0.1"}, 1)
	return []string{"--cert-file=" + cert, "--key-file=" + key}, err
}

// errEnded is the end of a program that was not asked to.
var errEnded = errors.New("nobody asked it to")

// stopAll asks the programs to end, the last first: whom others call ends after them.
func stopAll(running []*exec.Cmd) {
	for _, cmd := range slices.Backward(running) {
		_ = cmd.Process.Signal(syscall.SIGTERM) // one that has ended needs none
	}
}

// peerURLs are the first URLs of all members, this one's own too.
func peerURLs(given map[string]string) ([]*url.URL, error) {
	founders := given["initial-cluster"]
	if founders == "" {
		founders = given["name"] + "=" + given["listen-peer-urls"]
	}
	var urls []*url.URL
	seen := map[string]bool{}
	for _, founder := range strings.Split(founders, ",") {
		name, text, _ := strings.Cut(founder, "=")
		if seen[name] {
			continue
		}
		seen[name] = true
		u, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// shifted is a loopback URL on the port so far above another's.
func shifted(u *url.URL, scheme string, above int) string {
	port, _ := strconv.Atoi(u.Port()) // the suite gives each peer one
	return scheme + "://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port+above))
}

// usageLine begins what a program's usage says of a flag.
var usageLine = regexp.MustCompile(`(?m)^  --([a-z0-9-]+)( |$)`)

// passedOn are those of a member's flags that a program takes.
func passedOn(path string, args []string) ([]string, error) {
	usage, err := exec.Command(path, "--help").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --help: %w", path, err)
	}
	return taken(string(usage), filepath.Base(path), args), nil
}

// taken are those of the arguments whose flags a usage names.
func taken(usage, program string, args []string) []string {
	known := map[string]bool{}
	for _, line := range usageLine.FindAllStringSubmatch(usage, -1) {
		known[line[1]] = true
	}
	for name, only := range ownFlags {
		known[name] = known[name] && program == only
	}
	var passed []string
	for i, arg := range args {
		name, found := strings.CutPrefix(arg, "--")
		if !found {
			continue
		}
		name, _, whole := strings.Cut(name, "=")
		if !known[name] {
			continue
		}
		passed = append(passed, arg)
		if !whole && i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			passed = append(passed, args[i+1])
		}
	}
	return passed
}
