package ctl

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/api/v3/version"

	"github.com/quoratedb/quorate/services/ctl/internal/helptext"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// newVersion prints what scripts look for in etcdctl's answer, the version of etcd whose tool this one is like, where it
// stands in etcdctl's place; its own version always.
func newVersion(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the API that it speaks",
		RunE: s.Run(func(call *shell.Call) error {
			own := "quoratectl version: " + s.Version
			if s.Name == "etcdctl" {
				call.Println("etcdctl version:", version.Version)
				call.Println("API version:", version.APIVersion)
				call.Println(own)
				return nil
			}
			call.Println(own)
			call.Println("API version:", version.APIVersion)
			return nil
		}),
	}
}

// newOptions lists the global flags, which are hidden in the help of commands.
func newOptions(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "List the flags that every command takes",
		Run: func(cmd *cobra.Command, _ []string) {
			shown := pflag.NewFlagSet("global", pflag.ContinueOnError)
			root.PersistentFlags().VisitAll(func(flag *pflag.Flag) {
				visible := *flag
				visible.Hidden = false
				shown.AddFlag(&visible)
			})
			fmt.Fprintf(cmd.OutOrStdout(), "These options go with every command:\n\n%s", shown.FlagUsagesWrapped(helptext.Width))
		},
	}
}

// newCompletion writes the script with which a shell completes commands and flags.
func newCompletion(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "completion [bash|zsh|fish|powershell]",
		Short: "Print the script that has a shell complete commands and flags",
		Long: fmt.Sprintf(`Print the script that has a shell complete commands and flags.

For the shell that runs:

  bash        source <(%[1]s completion bash)
  zsh         source <(%[1]s completion zsh)     (after: autoload -U compinit; compinit)
  fish        %[1]s completion fish | source
  powershell  %[1]s completion powershell | Out-String | Invoke-Expression

For every shell from now on, write the script where the shell looks for it:

  bash        %[1]s completion bash > /etc/bash_completion.d/%[1]s
  zsh         %[1]s completion zsh > "${fpath[1]}/_%[1]s"
  fish        %[1]s completion fish > ~/.config/fish/completions/%[1]s.fish
  powershell  %[1]s completion powershell > %[1]s.ps1     (and source it from the profile)
`, s.Name),
		DisableFlagsInUseLine: true,
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: s.Run(func(call *shell.Call) error {
			root := call.Command.Root()
			switch call.Args[0] {
			case "bash":
				return root.GenBashCompletionV2(s.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(s.Stdout)
			case "fish":
				return root.GenFishCompletion(s.Stdout, true)
			}
			return root.GenPowerShellCompletionWithDesc(s.Stdout)
		}),
	}
}
