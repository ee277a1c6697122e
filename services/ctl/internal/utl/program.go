package utl

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/version"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func isNamed(name string) func(*consensusv1.Member) bool {
	return func(m *consensusv1.Member) bool { return m.GetName() == name }
}

// newVersion prints what scripts look for in etcdutl's answer where the program stands in its place; its own version always.
func newVersion(t *Tool) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of etcd's API",
		RunE: run(func(*cobra.Command, []string) error {
			if t.Name == etcdutlName {
				fmt.Fprintln(t.Stdout, "etcdutl version:", version.Version)
				fmt.Fprintln(t.Stdout, "API version:", version.APIVersion)
				fmt.Fprintln(t.Stdout, "quorateutl version:", t.Version)
				return nil
			}
			fmt.Fprintln(t.Stdout, "quorateutl version:", t.Version)
			fmt.Fprintln(t.Stdout, "API version:", version.APIVersion)
			return nil
		}),
	}
}

// newCompletion writes the script with which a shell completes commands and flags.
func newCompletion(t *Tool) *cobra.Command {
	return &cobra.Command{
		Use:                   "completion [bash|zsh|fish|powershell]",
		Short:                 "Print the script that has a shell complete commands and flags",
		Long:                  fmt.Sprintf("Print the script that has a shell complete commands and flags: in bash, source <(%s completion bash).", t.Name),
		DisableFlagsInUseLine: true,
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(t.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(t.Stdout)
			case "fish":
				return root.GenFishCompletion(t.Stdout, true)
			}
			return root.GenPowerShellCompletionWithDesc(t.Stdout)
		}),
	}
}
