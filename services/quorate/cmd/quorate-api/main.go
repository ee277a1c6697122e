// Command quorate-api serves clients by itself, for services that run apart.
package main

import (
	"os"

	"github.com/quoratedb/quorate/pkg/buildversion"
	"github.com/quoratedb/quorate/services/quorate/apart/apinode"
	"github.com/quoratedb/quorate/services/quorate/apart/program"
)

// version is the program's own; the build sets it.
var version string

func main() {
	os.Exit(program.Main(program.Program{
		Name:    "quorate-api",
		About:   "quorate-api serves clients, in front of quorate-consensus, quorate-lease and quorate-watch. Any number may run.",
		Version: buildversion.Of(version),
		New:     apinode.New,
	}))
}
