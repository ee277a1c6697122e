// Package program is what the programs of services that run apart are as commands: a command line, an environment or a file
// makes their settings, a signal ends them, and the exit code says how that went. What runs is package node's, what it does its role's.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/quoratedb/quorate/pkg/logging"
	"github.com/quoratedb/quorate/pkg/signals"
	"github.com/quoratedb/quorate/services/quorate/apart/node"
	"github.com/quoratedb/quorate/services/quorate/apart/settings"
	"github.com/quoratedb/quorate/services/quorate/commandline"
)

// Program is one of the programs of services that run apart.
type Program struct {
	// Name is the program's, such as quorate-lease. About says in a sentence what it does.
	Name, About string
	// Version is the build's.
	Version string
	// New makes the role that the program plays, with its flags' values at their defaults.
	New func() Role
}

// Role is what one kind of node is. Its methods are called in this order, each once.
type Role interface {
	// Flags adds the role's flags. Those that several roles have are in Settings.
	Flags(*settings.Settings)
	// Validate reports everything that is wrong with the values, each under its flag. It opens nothing.
	Validate(*settings.Settings) error
	// Open opens what the role needs and tells the node what to run, in which order, and what to serve. Nothing may run
	// yet. What it opened is closed by what it told the node (Node.OnClose), also when Open fails. Where it waits for
	// others, it fails when ctx ends.
	Open(context.Context, *node.Node) error
}

// What the programs exit with.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Main runs the program until a signal ends it, and returns its exit code: 0 after a clean stop, 2 for a command line
// that cannot be read, and 1 for everything else that is wrong.
func Main(p Program) int { return run(p, os.Args[1:], os.Environ(), os.Stdout, os.Stderr) }

func run(p Program, args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "health" {
		return askHealth(p, args[1:], stdout, stderr)
	}
	given, outcome, err := commandline.Read(p.fresh, args, environ)
	switch {
	case errors.Is(err, commandline.ErrUsage):
		p.complain(stderr, err)
		fmt.Fprintf(stderr, "%s --help lists all flags.\n", p.Name)
		return exitUsage
	case err != nil:
		p.complain(stderr, err)
		return exitError
	case outcome.Help:
		return exitCode(given.WriteUsage(stdout, p.usageHead()))
	case outcome.Version:
		_, err := fmt.Fprintf(stdout, "%s Version: %s\nGo Version: %s\nGo OS/Arch: %s/%s\n", p.Name, p.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitCode(err)
	}
	log, outputs, err := given.Config.OpenLog()
	if err != nil {
		p.complain(stderr, err)
		return exitError
	}
	given.Config.Log, given.Config.Version = log, p.Version
	logging.TakeStandard(log)
	for _, warning := range outcome.Warnings {
		log.Warn(warning)
	}
	ctx, release := signals.Context(log, outputs)
	err = node.Run(ctx, given.Settings, given.role.Open)
	release()
	if err != nil {
		log.Error("stopped by a failure", "error", err)
	}
	if closeErr := outputs.Close(); closeErr != nil {
		p.complain(stderr, closeErr)
		err = closeErr
	}
	return exitCode(err)
}

// command is what a program is told, and the role that is told it.
type command struct {
	*settings.Settings
	role Role
}

// fresh are settings with everything at its default.
func (p Program) fresh() *command {
	role := p.New()
	return &command{settings.New(p.Name, role.Flags), role}
}

// Finish implements commandline.Settings.
func (c *command) Finish() (warnings []string, err error) {
	return nil, errors.Join(c.role.Validate(c.Settings), c.Validate())
}

func (p Program) usageHead() string {
	return fmt.Sprintf(usageHead, p.About, p.Name)
}

const usageHead = `%[1]s

Usage:

  %[2]s [flags]
    Start it.

  %[2]s --config-file FILE
    Start with the settings of a YAML file, which alone count then.

  %[2]s health --url http://127.0.0.1:PORT/readyz
    Ask a node (its --listen-metrics-urls) how it is: exit code 0 if it is well.

  %[2]s --version
    Show the version.

Each flag can be set by an environment variable too: --name by QUORATE_NAME or ETCD_NAME.
`

// complain prints every problem of an error on a line of its own.
func (p Program) complain(w io.Writer, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(w, p.Name+":", line)
	}
}

func exitCode(err error) int {
	if err != nil {
		return exitError
	}
	return exitOK
}
