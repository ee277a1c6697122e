package v2

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Rule says which form a command line is in, for help texts.
const Rule = `A command line is in the v2 form, and speaks the v2 API, if

  - its word is one that v2 alone has: set, mk, update, rm, ls, mkdir, setdir, updatedir, rmdir,
    exec-watch, cluster-health or backup,
  - or it is get with --sort, --quorum (-q) or --output (-o), or watch with --recursive (-r),
    --forever (-f), --after-index or --output (-o),
  - or ETCDCTL_API=2 is set, which makes all words v2's: member, user, role and auth too.

Everything else is in the v3 form. "ETCDCTL_API=2 <command> --help" shows the v2 form of a command.
`

// own are the words that v2 alone has.
var own = []string{
	"set", "mk", "update", "rm", "ls", "mkdir", "setdir", "updatedir", "rmdir", "exec-watch", "cluster-health", "backup",
}

// telling are, for the words that both forms have, the flags that v2 alone has.
var telling = map[string][]string{
	"get":   {"sort", "quorum", "q", "output", "o"},
	"watch": {"recursive", "r", "forever", "f", "after-index", "output", "o"},
}

// Told reports whether flags can tell which form of a word is meant.
func Told(word string) bool { return telling[word] != nil }

// Asked reports whether a command line is in the v2 form. api is what the variable API says; globals are the global flags of
// both forms, by which the word is found.
func Asked(args []string, api string, globals ...*pflag.FlagSet) bool {
	if api == "2" {
		return true
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SetInterspersed(false)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.ParseErrorsAllowlist.UnknownFlags = true
	for _, set := range globals {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return false // for the v3 form to complain of
	}
	word := flags.Arg(0)
	if word == "help" && flags.NArg() > 1 {
		word = flags.Arg(1)
	}
	return slices.Contains(own, word) || slices.ContainsFunc(options(args), func(arg string) bool {
		return tells(arg, telling[word])
	})
}

// options are the arguments before a "--".
func options(args []string) []string {
	if end := slices.Index(args, "--"); end >= 0 {
		return args[:end]
	}
	return args
}

// tells reports whether an argument is one of the flags, with one dash or two before a long name, or is letters that are all
// among them.
func tells(arg string, flags []string) bool {
	name, dashed := strings.CutPrefix(arg, "-")
	if !dashed || name == "" {
		return false
	}
	name, _, _ = strings.Cut(name, "=")
	if long := strings.TrimPrefix(name, "-"); len(long) > 1 && slices.Contains(flags, long) {
		return true
	}
	return !slices.ContainsFunc([]rune(name), func(letter rune) bool { return !slices.Contains(flags, string(letter)) })
}

// Spell has arguments begin with two dashes that are long names of flags behind one: etcdctl takes them with one in its v2 form.
func Spell(root *cobra.Command, args []string) []string {
	known := map[string]bool{}
	note := func(flag *pflag.Flag) { known[flag.Name] = len(flag.Name) > 1 }
	root.PersistentFlags().VisitAll(note)
	for _, command := range root.Commands() {
		command.Flags().VisitAll(note)
		for _, below := range command.Commands() {
			below.Flags().VisitAll(note)
		}
	}
	spelled := slices.Clone(args)
	for i, arg := range options(args) {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && known[name] {
			spelled[i] = "-" + arg
		}
	}
	return spelled
}
