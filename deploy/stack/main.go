// Command quorate-stack is what a stack of Quorate's services on one machine needs beside them, and has from its platform elsewhere: certificates
// by a development authority, and one address in front of all API nodes.
//
// Its exit code is 0 after a clean end, 2 for a command line that cannot be read, and 1 for everything else that is wrong.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/quoratedb/quorate/pkg/buildversion"
)

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// version is the program's own; the build sets it.
var version string

// errUsage is returned by commands whose flags cannot be read.
var errUsage = errors.New("the command line cannot be read")

// commands by name. Each reads its own arguments.
var commands = map[string]func(args []string, out io.Writer) error{
	"certificates": certificates,
	"front":        runFront,
	"health":       health,
	"--version": func(_ []string, out io.Writer) error {
		_, err := fmt.Fprintf(out, "quorate-stack Version: %s\n", buildversion.Of(version))
		return err
	},
	"--help": func([]string, io.Writer) error { return flag.ErrHelp },
}

const usage = `Usage:

  quorate-stack certificates --authority-dir DIR --certificate DIR=NAME,... [--certificate ...]
    Make a development authority, unless there is one, and a certificate for each service, unless it has a good one.

  quorate-stack front --nodes HOST --ports PORT,... [--ready-port PORT] [--listen-host HOST] [--listen-health ADDRESS]
    Pass connections on to the nodes that HOST names.

  quorate-stack health --url URL
    End with 0 if the URL answers 200, for health checks in images without a shell.

  quorate-stack --version
    Show the version.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	err := commands[args[0]](args[1:], stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err == nil:
		return exitOK
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(stderr, "quorate-stack:", line)
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitError
}

// parse reads flags that take all arguments, and names those required that are missing.
func parse(flags *flag.FlagSet, args []string, required ...string) error {
	flags.SetOutput(io.Discard) // who prints what is wrong is the caller's business
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if rest := flags.Args(); len(rest) > 0 {
		return fmt.Errorf("%w: %q is neither a flag nor a value of one", errUsage, rest[0])
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, name := range required {
		if !given[name] {
			return fmt.Errorf("%w: --%s is missing", errUsage, name)
		}
	}
	return nil
}
