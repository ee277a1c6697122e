// Package v2 holds the words of etcdctl's older form, which speak the v2 API over HTTP: set, get, ls, mkdir, watch and the
// rest. They print what etcdctl 3.5 prints with ETCDCTL_API=2 and end with its exit codes, on an old etcd too. Which form a
// command line is in, form.go decides. The v3 form's commands are not here.
package v2

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/version"

	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// NewRoot is the command tree of the v2 form.
func NewRoot(s *shell.Shell) *cobra.Command {
	cobra.EnablePrefixMatching = false
	root := &cobra.Command{
		Use:               s.Name,
		Short:             "A command-line client for the v2 API of Quorate and of etcd",
		Long:              "A command-line client for the v2 API of Quorate and of etcd.\n\n" + Rule,
		Version:           version.Version,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		SilenceUsage:      true, // Report prints it, where the command line was not understood
	}
	root.SetVersionTemplate(fmt.Sprintf("etcdctl version: {{.Version}}\nAPI version: 2\nquoratectl version: %s\n", s.Version))
	root.SetIn(s.Stdin)
	root.SetOut(s.Stdout)
	root.SetErr(s.Stderr)
	s.RegisterV2(root)
	root.AddCommand(
		newSet(s), newGet(s), newMake(s), newUpdate(s), newRemove(s),
		newList(s), newMakeDirectory(s), newSetDirectory(s), newUpdateDirectory(s), newRemoveDirectory(s),
		newWatch(s), newExecWatch(s),
		newClusterHealth(s), newMember(s), newUser(s), newRole(s), newAuth(s), newBackup(s),
	)
	return root
}
