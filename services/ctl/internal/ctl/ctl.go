// Package ctl is quoratectl's command tree. The commands are the other packages'; what is here is the root, what is about
// the program itself, and the order of it all in the help.
package ctl

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quoratedb/quorate/services/ctl/internal/access"
	"github.com/quoratedb/quorate/services/ctl/internal/bench"
	"github.com/quoratedb/quorate/services/ctl/internal/check"
	"github.com/quoratedb/quorate/services/ctl/internal/cluster"
	"github.com/quoratedb/quorate/services/ctl/internal/doctor"
	"github.com/quoratedb/quorate/services/ctl/internal/edit"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/helptext"
	"github.com/quoratedb/quorate/services/ctl/internal/inspect"
	"github.com/quoratedb/quorate/services/ctl/internal/kv"
	"github.com/quoratedb/quorate/services/ctl/internal/lease"
	"github.com/quoratedb/quorate/services/ctl/internal/locks"
	"github.com/quoratedb/quorate/services/ctl/internal/mirror"
	"github.com/quoratedb/quorate/services/ctl/internal/quota"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
	"github.com/quoratedb/quorate/services/ctl/internal/top"
	"github.com/quoratedb/quorate/services/ctl/internal/transfer"
	"github.com/quoratedb/quorate/services/ctl/internal/v2"
)

// Run carries out the command that the arguments name and returns the exit code.
func Run(s *shell.Shell, args []string) int {
	root, args, err := newForm(s, args)
	if err != nil {
		fmt.Fprintln(s.Stderr, "Error:", err)
		return exit.Failure
	}
	root.SetArgs(args)
	failed, err := root.ExecuteC()
	return s.Report(failed, err)
}

// newForm is the root of the form that the command line is in, v2's or v3's, with the arguments as it takes them.
func newForm(s *shell.Shell, args []string) (*cobra.Command, []string, error) {
	var v2Globals, v3Globals shell.Shell // read by nobody: it is not yet known which form's defaults hold
	older := v2.NewRoot(&v2Globals)
	newer, err := Root(&v3Globals)
	if err != nil {
		return nil, nil, err
	}
	if v2.Asked(args, s.Variable("API"), older.PersistentFlags(), newer.PersistentFlags()) {
		root := v2.NewRoot(s)
		return root, v2.Spell(root, args), nil
	}
	root, err := Root(s)
	return root, lengthen(newer, args), err
}

// lengthen spells out an abbreviated command that is clear in etcdctl, so that our commands beside etcdctl's make none of its abbreviations mean two
// things. The root is one whose flags nobody reads.
func lengthen(root *cobra.Command, args []string) []string {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SetInterspersed(false)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.AddFlagSet(root.PersistentFlags())
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return args // for cobra to complain of
	}
	word := flags.Arg(0)
	var meant []string
	if strings.HasPrefix("help", word) {
		meant = append(meant, "help")
	}
	for _, command := range root.Commands() {
		switch {
		case command.Name() == word || command.HasAlias(word):
			return args
		case command.GroupID != shell.OwnGroup && strings.HasPrefix(command.Name(), word):
			meant = append(meant, command.Name())
		}
	}
	if len(meant) != 1 {
		return args
	}
	args = slices.Clone(args)
	args[len(args)-flags.NArg()] = meant[0]
	return args
}

// groups are the headings of the help, each with the commands below it.
func groups(s *shell.Shell, root *cobra.Command) []group {
	return []group{
		{"kv", "Key-value commands", append(kv.Commands(s), lease.New(s))},
		{"cluster maintenance", "Cluster maintenance commands", cluster.Commands(s)},
		{"concurrency", "Concurrency commands", locks.Commands(s)},
		{"authentication", "Authentication commands", access.Commands(s)},
		{"utility", "Utility commands", []*cobra.Command{check.New(s), newCompletion(s), mirror.New(s), newOptions(root), newVersion(s)}},
		{shell.OwnGroup, "Commands that etcdctl has not", own(s)},
	}
}

// own are the commands that etcdctl has not.
func own(s *shell.Shell) []*cobra.Command {
	return append(append(inspect.Commands(s), edit.New(s), quota.New(s), bench.New(s), doctor.New(s), top.New(s)), transfer.Commands(s)...)
}

type group struct {
	id, title string
	commands  []*cobra.Command
}

// Root is the tree of v3's form.
func Root(s *shell.Shell) (*cobra.Command, error) {
	cobra.EnablePrefixMatching = true
	root := &cobra.Command{
		Use:        s.Name,
		Short:      "A command-line client for Quorate and for etcd",
		SuggestFor: []string{s.Name},
		// It would go to the standard output, where only answers are.
		SilenceUsage: true,
	}
	root.SetIn(s.Stdin)
	root.SetOut(s.Stdout)
	root.SetErr(s.Stderr)
	if err := s.Register(root); err != nil {
		return nil, err
	}
	for _, g := range groups(s, root) {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, command := range g.commands {
			command.GroupID = g.id
			root.AddCommand(command)
		}
	}
	root.SetHelpCommandGroupID("utility")
	helptext.LayOut(root)
	root.Flags().BoolP("help", "h", false, "print this")
	if err := root.Flags().MarkHidden("help"); err != nil {
		return nil, err
	}
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		help(cmd, args)
		if cmd == root || v2.Told(cmd.Name()) && cmd.Parent() == root {
			fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", v2.Rule)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "\"%s options\" lists the flags that every command takes.\n", s.Name)
	})
	return root, nil
}
