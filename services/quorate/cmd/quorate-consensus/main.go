// Command quorate-consensus runs one member of the store by itself, for services that run apart.
package main

import (
	"os"

	"github.com/quoratedb/quorate/pkg/buildversion"
	"github.com/quoratedb/quorate/services/quorate/apart/consensusnode"
	"github.com/quoratedb/quorate/services/quorate/apart/program"
)

// version is the program's own; the build sets it.
var version string

func main() {
	os.Exit(program.Main(program.Program{
		Name:    "quorate-consensus",
		About:   "quorate-consensus runs one member of the replicated store. Clients come to quorate-api.",
		Version: buildversion.Of(version),
		New:     consensusnode.New,
	}))
}
