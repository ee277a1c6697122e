// Command conformance runs etcd's own cross-implementation suite (the package common of go.etcd.io/etcd/tests/v3, its e2e half) against a
// server that takes etcd's flags, and says what passed, failed and was skipped. The suite comes as a Go module; nothing of it is copied.
//
// The file passing.txt beside it lists what must pass, passing-endpoint.txt what must against one endpoint of a running store. The command fails when one of these does not, and names what passes beyond them. It is
// run by make conformance; E2E_TEST_MINIMAL=true makes the suite itself leave out a part of its clusters.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

const suite = "go.etcd.io/etcd/tests/v3"

// endpointTests begin one member without TLS, and need neither users nor a store that begins with revision 1.
const endpointTests = `^Test(KV.*|Lease.*|Status|Txn.*|VerifyHash.*)$/^NoTLS$`

//go:embed passing.txt
var passing string

//go:embed passing-endpoint.txt
var passingEndpoint string

func main() {
	server := flag.String("server", "", "binary to test")
	endpoint := flag.String("endpoint", "", "instead, host and port of a running store without TLS, which is emptied again and again")
	apart := flag.String("apart", "", "instead, folder of the programs of services that run apart, of which each member is made")
	proxied := flag.String("proxied", "", "Quorate's program, of which a proxy is put in front of each member of the server")
	tools := flag.String("tools", "", "folder of Quorate's command-line tools, which take the place of etcd's")
	run := flag.String("run", "", "regular expression of the tests to run, all if empty")
	timeout := flag.Duration("timeout", time.Hour, "time for all tests")
	list := flag.Bool("list", false, "print the names of what passed, in the form of passing.txt, and nothing else")
	flag.Parse()
	must := passing
	if *endpoint != "" {
		must = passingEndpoint
		if *run == "" {
			*run = endpointTests
		}
	}
	r, err := conduct(target{*server, *endpoint, *apart, *tools, *proxied}, *run, *timeout, !*list)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if *list {
		fmt.Println(strings.Join(r.named("PASS"), "\n"))
		return
	}
	if !r.report(os.Stdout, required(must, *run)) {
		fmt.Printf("\nAll that the suite printed: %s\n", outputFile())
		os.Exit(1)
	}
}

// outputFile has what the suite printed in the last run: outcomes do not say why a test failed, and another run may not fail again.
func outputFile() string { return filepath.Join(harness.Root(), "bin", "conformance.log") }

// required are the tests of a list that a run of all tests, or of those that match, includes.
func required(list, run string) []string {
	var names []string
	for line := range strings.Lines(list) {
		name := strings.TrimSpace(line)
		if name != "" && !strings.HasPrefix(name, "#") && selected(run, name) {
			names = append(names, name)
		}
	}
	return names
}

// selected follows the rules of go test: each part of a name between slashes is matched by the part of the expression at its place, if there is one.
func selected(run, name string) bool {
	expressions := strings.Split(run, "/")
	for i, part := range strings.Split(name, "/") {
		if i < len(expressions) {
			if matched, err := regexp.MatchString(expressions[i], part); err != nil || !matched {
				return false
			}
		}
	}
	return true
}

// target is what the suite runs against, one of the first three, and with which tools: a folder of ours, or "" for etcd's; proxied is whose proxies stand
// in front of the members of server, "" for none.
type target struct{ server, endpoint, apart, tools, proxied string }

// conduct builds the suite and runs it, with its output on ours if loud.
func conduct(against target, run string, timeout time.Duration, loud bool) (*results, error) {
	root := harness.Root()
	binary := filepath.Join(root, "bin", "peers", "common.test")
	if err := goTool("test", "-tags=e2e", "-c", "-o", binary, suite+"/common").Run(); err != nil {
		return nil, fmt.Errorf("build the suite: %w", err)
	}
	var where bytes.Buffer
	list := goTool("list", "-m", "-f={{.Dir}}", suite)
	list.Stdout = &where
	if err := list.Run(); err != nil {
		return nil, fmt.Errorf("find the suite: %w", err)
	}
	dir, err := programs(against)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command(binary, "-test.v", "-test.timeout="+timeout.String(), "-test.run="+run, "-bin-dir="+dir)
	// Some tests read files beside themselves.
	cmd.Dir = filepath.Join(strings.TrimSpace(where.String()), "common")
	output, err := os.Create(outputFile())
	if err != nil {
		return nil, fmt.Errorf("keep the suite's output: %w", err)
	}
	defer output.Close()
	r := &results{outcome: map[string]string{}, loud: loud}
	all := io.MultiWriter(output, r)
	cmd.Stdout, cmd.Stderr = all, all
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		return nil, fmt.Errorf("run the suite: %w", err)
	}
	r.ended = strings.TrimSpace(cmd.ProcessState.String())
	return r, nil
}

// programs makes a folder with the programs that the suite calls, under etcd's names. The server is the given one, or what stands in for it in front of
// an endpoint or of services.
func programs(against target) (string, error) {
	dir, err := os.MkdirTemp("", "quorate-conformance-")
	if err != nil {
		return "", err
	}
	server := against.server
	switch {
	case against.endpoint != "":
		server, err = standIn(dir, harness.EndpointEnv, against.endpoint)
	case against.apart != "":
		server, err = standIn(dir, "QUORATE_TEST_PROGRAMS", against.apart)
	case against.proxied != "":
		server, err = standIn(dir, "QUORATE_TEST_PROXIED", against.server+":"+against.proxied)
	}
	if err != nil {
		return "", err
	}
	links := map[string]string{"etcd": server}
	for tool, ours := range map[string]string{"etcdctl": "quoratectl", "etcdutl": "quorateutl"} {
		if links[tool], err = harness.Peer(tool); err != nil {
			return "", err
		}
		if path := filepath.Join(against.tools, ours); against.tools != "" {
			if _, err := os.Stat(path); err == nil { // one that is not there yet leaves etcd's in its place
				links[tool] = path
			}
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// standIn builds the stand-in, and a script that tells it what it stands for, because the suite passes no environment on.
func standIn(dir, variable, value string) (string, error) {
	binary, script := filepath.Join(dir, "standin"), filepath.Join(dir, "standin.sh")
	if err := goTool("build", "-o", binary, "./etcd/conformance/standin").Run(); err != nil {
		return "", fmt.Errorf("build the stand-in: %w", err)
	}
	text := fmt.Sprintf("#!/bin/sh\n%s='%s' exec '%s' \"$@\"\n", variable, value, binary)
	return script, os.WriteFile(script, []byte(text), 0o700)
}

// goTool runs the go command in the module that pins the suite.
func goTool(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join(harness.Root(), "tests")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	return cmd
}
