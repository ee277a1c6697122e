// Package cluster holds the commands about members: who they are, how they are, and what whoever runs them does to them.
package cluster

import (
	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// Commands are the package's commands.
func Commands(s *shell.Shell) []*cobra.Command {
	return []*cobra.Command{
		newAlarm(s), newDefrag(s), newDowngrade(s), newEndpoint(s), newMember(s), newMoveLeader(s), newSnapshot(s),
	}
}
