package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// proxyEnv names a server's program and quorate's, with a colon between. With it the stand-in is a member of the first, whose clients come to a
// proxy of the second: TLS and the client's port are the proxy's.
const proxyEnv = "QUORATE_TEST_PROXIED"

// clientAbove is how far above its peers' port the member's own for clients lies.
const clientAbove = 10000

// clientTLS are a member's flags that are the proxy's here.
var clientTLS = map[string]bool{
	"cert-file": true, "key-file": true, "trusted-ca-file": true, "client-cert-auth": true, "client-crl-file": true, "auto-tls": true, "cipher-suites": true,
	"tls-min-version": true, "tls-max-version": true,
}

// proxied runs a member and the proxy in front of it until ctx ends or one of them does.
func proxied(ctx context.Context, programs string, args []string) error {
	server, program, _ := strings.Cut(programs, ":")
	members, proxies, err := split(args)
	if err != nil {
		return err
	}
	// The proxy first: whoever reads that the member is ready finds it there.
	commands := []*exec.Cmd{exec.Command(program, append([]string{"grpc-proxy", "start"}, proxies...)...), exec.Command(server, members...)}
	ended := make(chan error, len(commands))
	for i, cmd := range commands {
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if i == 0 {
			cmd.Stdout, cmd.Stderr = unready{os.Stdout}, unready{os.Stderr}
		} else {
			cmd.Env = append(os.Environ(), "GODEBUG=") // a trace of requests is to be that of the proxy's clients
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			stopAll(commands[:i])
			return err
		}
		go func() { ended <- fmt.Errorf("%s ended: %w", cmd.Path, errors.Join(cmd.Wait(), errEnded)) }()
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-ended:
		ended <- nil
	}
	stopAll(commands)
	for range commands {
		<-ended
	}
	return err
}

// unready passes on what the proxy says but for the line that the suite waits for: the member is not there yet.
type unready struct{ to *os.File }

// Write implements io.Writer. The proxy writes each line as a whole.
func (u unready) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "ready to serve client requests") {
		return len(p), nil
	}
	return u.to.Write(p)
}

// split makes the member's and the proxy's arguments of those of a member.
func split(args []string) (member, proxy []string, err error) {
	given := read(args)
	listen := strings.Split(given["listen-client-urls"], ",")[0]
	if _, host, found := strings.Cut(listen, "://"); found && strings.HasPrefix(listen, "http") {
		listen = host
	}
	peers, err := url.Parse(strings.Split(given["listen-peer-urls"], ",")[0])
	if err != nil || peers.Port() == "" {
		return nil, nil, fmt.Errorf("--listen-peer-urls=%s: a port is needed: %w", given["listen-peer-urls"], err)
	}
	own := shifted(peers, "http", clientAbove)
	for i := 0; i < len(args); i++ {
		name, _, whole := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		these := args[i : i+1]
		if !whole && i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			these = args[i : i+2]
			i++
		}
		switch {
		case name == "listen-client-urls":
		case name == "client-cert-auth": // an authority says it
		case clientTLS[name]:
			proxy = append(proxy, strings.Replace(strings.Join(these, "="), "--cipher-suites", "--listen-cipher-suites", 1))
		default:
			member = append(member, these...)
		}
	}
	if bytes := given["max-request-bytes"]; bytes != "" {
		proxy = append(proxy, "--max-send-bytes="+bytes)
	}
	if streams := given["max-concurrent-streams"]; streams != "" {
		proxy = append(proxy, "--max-concurrent-streams="+streams)
	}
	proxy = append(proxy, "--listen-addr="+listen, "--endpoints="+own, "--data-dir="+given["data-dir"]+".proxy")
	return append(member, "--listen-client-urls="+own), proxy, nil
}
