package ctl

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3/command"

	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// theirs are etcdctl's commands. Its root is not exported: the global flags are compared in tests/clients/ctl.
func theirs() []*cobra.Command {
	return []*cobra.Command{
		command.NewGetCommand(), command.NewPutCommand(), command.NewDelCommand(), command.NewTxnCommand(), command.NewCompactionCommand(),
		command.NewAlarmCommand(), command.NewDefragCommand(), command.NewEndpointCommand(), command.NewMoveLeaderCommand(),
		command.NewWatchCommand(), command.NewVersionCommand(), command.NewLeaseCommand(), command.NewMemberCommand(),
		command.NewSnapshotCommand(), command.NewMakeMirrorCommand(), command.NewLockCommand(), command.NewElectCommand(),
		command.NewAuthCommand(), command.NewUserCommand(), command.NewRoleCommand(), command.NewCheckCommand(),
		command.NewCompletionCommand(), command.NewDowngradeCommand(), command.NewOptionsCommand(&cobra.Command{}),
	}
}

// run carries out a command line without a server, and returns the exit code and what was printed.
func run(environ []string, name string, args ...string) (code int, stdout, stderr string) {
	var out, complaints bytes.Buffer
	code = Run(&shell.Shell{
		Name: name, Version: "v1.2.3", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &complaints, Environ: environ,
	}, args)
	return code, out.String(), complaints.String()
}

// Goal: whatever etcdctl takes, this takes too. Method: walk etcdctl's tree of commands beside ours and compare names, how arguments are
// written, the heading in the help, and each flag's short form, type and default.
func TestCommandsAndFlagsAreEtcdctls(t *testing.T) {
	root, err := Root(&shell.Shell{Name: "etcdctl"})
	require.NoError(t, err)
	for _, their := range theirs() {
		our, _, err := root.Find([]string{their.Name()})
		require.NoError(t, err)
		assert.Equal(t, their.GroupID, our.GroupID, their.Name())
		compare(t, their, our)
	}
}

func compare(t *testing.T, their, our *cobra.Command) {
	name := their.CommandPath()
	assert.Equal(t, their.Use, our.Use, name)
	assert.Equal(t, their.ValidArgs, our.ValidArgs, name)
	assert.NotEqual(t, their.Short, our.Short, "%s: help is in our own words", name)
	assert.Equal(t, describe(their.LocalNonPersistentFlags()), describe(our.LocalNonPersistentFlags()), name)
	assert.Equal(t, describe(their.PersistentFlags()), describe(our.PersistentFlags()), name)
	var theirNames, ourNames []string
	for _, c := range their.Commands() {
		theirNames = append(theirNames, c.Name())
	}
	for _, c := range our.Commands() {
		ourNames = append(ourNames, c.Name())
	}
	assert.ElementsMatch(t, theirNames, ourNames, name)
	for _, c := range their.Commands() {
		if i := slices.Index(ourNames, c.Name()); i >= 0 {
			compare(t, c, our.Commands()[i])
		}
	}
}

func describe(flags *pflag.FlagSet) (lines []string) {
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Name != "help" && !shell.IsOwn(flag) {
			lines = append(lines, fmt.Sprintf("--%s -%s %s %q", flag.Name, flag.Shorthand, flag.Value.Type(), flag.DefValue))
		}
	})
	return lines
}

// Goal: the exit codes that scripts know. Method: command lines that are wrong in ways that no server is needed for.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args   string
		env    string
		code   int
		stderr string // is in it
	}{
		{args: "", code: 0},
		{args: "lease", code: 0},
		{args: "nonsense", code: 1, stderr: "Error: unknown command \"nonsense\" for \"quoratectl\"\nRun 'quoratectl --help' for usage.\n"},
		{args: "get --nonsense", code: 1, stderr: "Error: unknown flag: --nonsense\nUsage:\n  quoratectl get [options]"},
		{args: "completion", code: 1, stderr: "Error: accepts 1 arg(s), received 0\nUsage:"},
		{args: "get", code: 128, stderr: "Error: get needs a key"},
		{args: "get a b --prefix", code: 128, stderr: "Error: "},
		{args: "get a --prefix --from-key", code: 128, stderr: "Error: "},
		{args: "get a --consistency=x", code: 4, stderr: "Error: "},
		{args: "get a --order=x", code: 4, stderr: "Error: "},
		{args: "get a --sort-by=x", code: 4, stderr: "Error: "},
		{args: "get a --max-mod-rev=1 --min-mod-rev=2", code: 4, stderr: "Error: "},
		{args: "get a -w x", code: 4, stderr: "Error: unsupported output format"},
		{args: "get a --cert=", code: 128, stderr: "Error: --cert is an empty string"},
		{args: "put", code: 128, stderr: "Error: "},
		{args: "put a", code: 128, stderr: "Error: "},
		{args: "put a b --lease=x", code: 128, stderr: "Error: bad lease ID"},
		{args: "put a b --ignore-value", code: 128, stderr: "Error: "},
		{args: "del a b c", code: 128, stderr: "Error: "},
		{args: "compaction x", code: 1, stderr: "Error: "},
		{args: "txn x", code: 128, stderr: "Error: "},
		{args: "txn", code: 3, stderr: "Error: "},
		{args: "watch", code: 128, stderr: "Error: bad number of arguments"},
		{args: "watch a --", code: 128, stderr: "Error: bad number of arguments"},
		{args: "watch a", env: "ETCDCTL_WATCH_KEY=b", code: 128, stderr: "Error: bad number of arguments"},
		{args: "watch", env: "ETCDCTL_WATCH_RANGE_END=b", code: 128, stderr: "Error: ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END"},
		{args: "watch -i", code: 3, stderr: "Error: error reading watch request line: EOF"},
		{args: "member add a http://b", code: 128, stderr: "did you mean --peer-urls=http://b"},
		{args: "get a --endpoints=b", env: "ETCDCTL_ENDPOINTS=c", code: 1, stderr: "conflicting environment variable"},
		{args: "get a", env: "ETCDCTL_WRITE_OUT=x", code: 4, stderr: "Error: unsupported output format"},
		{args: "get a -w x", env: "ETCDCTL_NONSENSE=1", code: 4, stderr: "unrecognized environment variable ETCDCTL_NONSENSE"},
		{args: "get a -w x", env: "QUORATECTL_DIAL_TIMEOUT=5", code: 4, stderr: "Warning: \"5\" is no value for the variable of --dial-timeout"},
		{args: "snapshot save a --endpoints=b,c", code: 5, stderr: "Error: snapshot must be requested to one selected node"},
		{args: "check perf --load=x", code: 4, stderr: "Error: unknown load option x"},
	} {
		var environ []string
		if c.env != "" {
			environ = []string{c.env}
		}
		code, _, stderr := run(environ, "quoratectl", strings.Fields(c.args)...)
		assert.Equal(t, c.code, code, "%s %s: %s", c.env, c.args, stderr)
		assert.Contains(t, stderr, c.stderr, c.args)
	}
}

// Goal: our variables win over etcdctl's, and a flag over ours. Method: formats that there are none of, of which one is complained about.
func TestVariables(t *testing.T) {
	environ := []string{"ETCDCTL_WRITE_OUT=theirs", "QUORATECTL_WRITE_OUT=ours"}
	_, _, stderr := run(environ, "quoratectl", "get", "a")
	require.Contains(t, stderr, `"ours"`)
	_, _, stderr = run(environ[1:], "quoratectl", "get", "a", "-w=flags")
	require.Contains(t, stderr, `"flags"`)
	_, _, stderr = run([]string{"ETCDCTL_API=3"}, "etcdctl", "get", "a", "-w=flags")
	require.NotContains(t, stderr, "ETCDCTL_API", "half of all scripts set it")
}

// Goal: in etcdctl's place, the version is where scripts look for it. Method: the version by both names.
func TestVersionNamesBoth(t *testing.T) {
	code, stdout, _ := run(nil, "etcdctl", "version")
	require.Zero(t, code)
	require.Regexp(t, `^etcdctl version: 3\.7\.\d+\nAPI version: 3\.7\nquoratectl version: v1\.2\.3\n$`, stdout)
	_, stdout, _ = run(nil, "quoratectl", "version")
	require.Equal(t, "quoratectl version: v1.2.3\nAPI version: 3.7\n", stdout)
}

// Goal: a command may be shortened while it is clear which is meant. Method: a prefix of a command.
func TestPrefixesOfCommands(t *testing.T) {
	code, stdout, _ := run(nil, "quoratectl", "vers")
	require.Zero(t, code)
	require.Contains(t, stdout, "API version")
}

// Goal: our commands beside etcdctl's take none of its abbreviations, nor anything else. Method: abbreviations that are clear in etcdctl and would not be
// with ours, behind a flag too; one that is not clear there; ours by their names.
func TestEtcdctlsAbbreviationsAreClear(t *testing.T) {
	root, err := Root(&shell.Shell{Name: "etcdctl"})
	require.NoError(t, err)
	for _, c := range []struct{ args, want string }{
		{"do validate", "downgrade validate"},
		{"t", "txn"},
		{"h get", "help get"},
		{"en status", "endpoint status"},
		{"--hex=true do cancel", "--hex=true downgrade cancel"},
		{"-w json t", "-w json txn"},
		{"d x", "d x"},
		{"e x", "e x"},
		{"edit k", "edit k"},
		{"history k", "history k"},
		{"hist k", "hist k"},
		{"get do", "get do"},
		{"", ""},
	} {
		require.Equal(t, strings.Fields(c.want), append([]string{}, lengthen(root, strings.Fields(c.args))...), c.args)
	}
}

// Goal: completion is for the name by which the program is called. Method: the script of each shell.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, stdout, _ := run(nil, "etcdctl", "completion", shell)
		require.Zero(t, code)
		require.Contains(t, stdout, "etcdctl")
		require.NotContains(t, stdout, "quoratectl")
	}
}
