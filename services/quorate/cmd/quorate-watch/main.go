// Command quorate-watch runs one watch node by itself, for services that run apart.
package main

import (
	"os"

	"github.com/quoratedb/quorate/pkg/buildversion"
	"github.com/quoratedb/quorate/services/quorate/apart/program"
	"github.com/quoratedb/quorate/services/quorate/apart/watchnode"
)

// version is the program's own; the build sets it.
var version string

func main() {
	os.Exit(program.Main(program.Program{
		Name:    "quorate-watch",
		About:   "quorate-watch tells API nodes what changes in the store. Run as many as watchers need; clients come to quorate-api.",
		Version: buildversion.Of(version),
		New:     watchnode.New,
	}))
}
