package utl

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quoratedb/quorate/services/consensus/offline"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

// conflictsShown is how many conflicts are printed one by one.
const conflictsShown = 1000

func newMigrate(t *Tool) *cobra.Command {
	f := &restoreFlags{}
	cmd := &cobra.Command{
		Use:   "migrate-from-etcd <data directory of etcd> --data-dir {output dir} [options]",
		Short: "Make a member's data directory of that of an etcd",
		Long: `Make a member's data directory of that of an etcd (3.4 to 3.7) that is stopped, also by a kill. Keys with their versions and revisions, what is
kept of older ones, leases, users and roles are as they were; what was acknowledged and is not yet in the etcd's database is read from its
write-ahead log. Keys of v2 come along where v3 has none of the same path. The etcd's directory is only read.

Ids, names and URLs of members stay as they were, unless --initial-cluster founds a new cluster. All members of a cluster need the same data: stop
all, take the directory whose log is the furthest (each run says how far that is), copy it to every host, and run this there with the --name of its
member.`,
		Example: fmt.Sprintf(`  # the only member of a cluster
  %[1]s migrate-from-etcd /var/lib/etcd --data-dir /var/lib/quorate
  quorate --data-dir /var/lib/quorate --name default

  # one of three, from a copy of the directory that was chosen
  %[1]s migrate-from-etcd /tmp/etcd-of-m1 --data-dir /var/lib/quorate --name m2`, t.Name),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || f.dataDir == "" {
				return exit.Withf(exit.Arguments, "migrate-from-etcd requires exactly one argument, and --data-dir")
			}
			return t.migrate(cmd, f, args[0])
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dataDir, "data-dir", "", "`directory` that is made")
	flags.StringVar(&f.walDir, "wal-dir", "", "`directory` of the etcd's write-ahead log, where that is not in its data directory")
	f.addFounding(flags)
	completeDirs(cmd, "data-dir", "wal-dir")
	return cmd
}

// addFounding adds the flags that say whose a directory becomes.
func (f *restoreFlags) addFounding(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "name", "", "`name` of the member whose the directory becomes (default: the one whose it was)")
	flags.StringVar(&f.cluster, "initial-cluster", "", "found a new cluster, whose members are these: `name=url,...`")
	flags.StringVar(&f.token, "initial-cluster-token", "etcd-cluster", "tells clusters with the same addresses apart; ids depend on it")
	flags.StringVar(&f.peerURL, "initial-advertise-peer-urls", "", "`URLs` at which the other members reach this one, of a new cluster")
}

// completeDirs has shells offer directories for the argument and for flags.
func completeDirs(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagDirname(name); err != nil {
			panic(err) // there is no such flag
		}
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
}

// newCluster is the cluster that is founded, nil where the old one goes on.
func (f *restoreFlags) newCluster() (*offline.Founding, error) {
	if f.cluster == "" {
		return nil, nil
	}
	if f.name == "" {
		f.name = defaultName
	}
	founding, err := f.founding()
	return &founding, err
}

func (t *Tool) migrate(cmd *cobra.Command, f *restoreFlags, from string) error {
	cfg := offline.MigrateConfig{From: from, WALDir: f.walDir, DataDir: f.dataDir, Name: f.name}
	var err error
	if cfg.Founding, err = f.newCluster(); err != nil {
		return err
	}
	bar := t.bar("migrating")
	cfg.Progress = bar.set
	m, err := offline.Migrate(cmd.Context(), cfg)
	bar.finish(err)
	if err != nil {
		return err
	}
	t.tellMigrated(f.dataDir, m)
	return nil
}

// tellMigrated says what came along, and what did not.
func (t *Tool) tellMigrated(dataDir string, m offline.Migrated) {
	say := func(format string, args ...any) { fmt.Fprintf(t.Stderr, format+"\n", args...) }
	say("migrated into %s: revision %d (compacted %d), %d keys, %d leases, %d users, %d roles", dataDir, m.Revision, m.Compacted, m.Keys, m.Leases, m.Users, m.Roles)
	say("the log ends with entry %d of term %d; %d entries were not yet in the database%s", m.Index, m.Term, m.Replayed, m.Torn)
	t.tellCluster(m.Founding, m.Unconfirmed, "migrate")
	t.tellAlarms("not restored", m.Alarms)
	if m.V2 > 0 || len(m.Conflicts) > 0 {
		say("of v2 %d keys and directories came along, and %d did not", m.V2, len(m.Conflicts))
	}
	for i, conflict := range m.Conflicts {
		if i == conflictsShown {
			say("... and %d more", len(m.Conflicts)-i)
			break
		}
		say("conflict: v2's %s: %s", conflict.Path, conflict.Why)
	}
}
