// Command quorate-lease runs the lease service by itself, for services that run apart. Of several, one is active.
package main

import (
	"os"

	"github.com/quoratedb/quorate/pkg/buildversion"
	"github.com/quoratedb/quorate/services/quorate/apart/leasenode"
	"github.com/quoratedb/quorate/services/quorate/apart/program"
)

// version is the program's own; the build sets it.
var version string

func main() {
	os.Exit(program.Main(program.Program{
		Name:    "quorate-lease",
		About:   "quorate-lease counts leases down. Any number may run; one is active, and another takes over when it is gone.",
		Version: buildversion.Of(version),
		New:     leasenode.New,
	}))
}
