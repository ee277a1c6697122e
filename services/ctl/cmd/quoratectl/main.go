// Command quoratectl is the command-line client of a store: it takes etcdctl's commands, flags and variables, prints
// what etcdctl prints and ends with its exit codes, so that it can stand in etcdctl's place.
package main

import (
	"os"

	"github.com/quoratedb/quorate/pkg/buildversion"
	"github.com/quoratedb/quorate/services/ctl/internal/ctl"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// version is stamped by the build.
var version string

func main() {
	os.Exit(ctl.Run(&shell.Shell{
		Name: shell.ProgramName(os.Args[0]), Version: buildversion.Of(version),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
	}, os.Args[1:]))
}
