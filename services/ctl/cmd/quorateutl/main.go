// Command quorateutl works on files: it founds data directories from snapshots, of etcd and of Quorate, and says what is in them. It takes
// etcdutl's commands and flags, prints what etcdutl prints and ends with its exit codes, so that it can stand in etcdutl's place.
package main

import (
	"os"

	"github.com/quoratedb/quorate/pkg/buildversion"
	"github.com/quoratedb/quorate/services/ctl/internal/utl"
)

// version is stamped by the build.
var version string

func main() {
	os.Exit(utl.Run(&utl.Tool{Name: utl.ProgramName(os.Args[0]), Version: buildversion.Of(version), Stdout: os.Stdout, Stderr: os.Stderr}, os.Args[1:]))
}
