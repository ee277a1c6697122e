// Command quorate-consensus runs one member of the store by itself, for services that run apart.
package main

import (
	"os"

	"github.com/quoratedb/quorate/services/quorate/apart/consensusnode"
	"github.com/quoratedb/quorate/services/quorate/apart/node"
)

// version is the program's own; the build sets it.
var version = "unknown"

func main() {
	os.Exit(node.Main(node.Program{
		Name:    "quorate-consensus",
		About:   "quorate-consensus runs one member of the replicated store. Clients come to quorate-api.",
		Version: version,
		New:     consensusnode.New,
	}))
}
