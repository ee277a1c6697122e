package utl

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/offline"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

func newExport(t *Tool) *cobra.Command {
	f := &restoreFlags{}
	cmd := &cobra.Command{
		Use:   "export-to-etcd <data directory> --data-dir {output dir} [options]",
		Short: "Make an etcd's data directory of that of a member",
		Long: `Make a data directory that an etcd of 3.5, 3.6 or 3.7 starts from of that of a member that is stopped, also by a kill. Keys with their versions and
revisions, what is kept of older ones, leases, users and roles are as they were; what was acknowledged and is not yet in the state is read from the log. What
etcd has no place for is left out and listed. The member's directory is only read.

Ids, names and URLs of members stay as they were, unless --initial-cluster founds a new cluster. All members of a cluster need the same data: stop
all, take the directory whose log is the furthest (each run says how far that is), copy it to every host, and run this there with the --name of its
member.`,
		Example: fmt.Sprintf(`  # the only member of a cluster
  %[1]s export-to-etcd /var/lib/quorate --data-dir /var/lib/etcd
  etcd --data-dir /var/lib/etcd --name default

  # one of three, from a copy of the directory that was chosen
  %[1]s export-to-etcd /tmp/quorate-of-m1 --data-dir /var/lib/etcd --name m2`, t.Name),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || f.dataDir == "" {
				return exit.Withf(exit.Arguments, "export-to-etcd requires exactly one argument, and --data-dir")
			}
			return t.export(cmd, f, args[0])
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dataDir, "data-dir", "", "`directory` that is made")
	f.addFounding(flags)
	completeDirs(cmd, "data-dir")
	return cmd
}

func (t *Tool) export(cmd *cobra.Command, f *restoreFlags, from string) error {
	cfg := offline.ExportConfig{From: from, DataDir: f.dataDir, Name: f.name}
	var err error
	if cfg.Founding, err = f.newCluster(); err != nil {
		return err
	}
	bar := t.bar("exporting")
	cfg.Progress = bar.set
	e, err := offline.Export(cmd.Context(), cfg)
	bar.finish(err)
	if err != nil {
		return err
	}
	t.tellExported(f.dataDir, e)
	return nil
}

// tellExported says what is there, and what stays behind.
func (t *Tool) tellExported(dataDir string, e offline.Exported) {
	say := func(format string, args ...any) { fmt.Fprintf(t.Stderr, format+"\n", args...) }
	say("exported into %s: revision %d (compacted %d), %d keys, %d leases, %d users, %d roles", dataDir, e.Revision, e.Compacted, e.Keys, e.Leases, e.Users, e.Roles)
	say("the log ends with entry %d of term %d; %d entries were not yet in the state", e.Index, e.Term, e.Replayed)
	t.tellCluster(e.Founding, e.Unconfirmed, "export")
	if e.Learners > 1 {
		say("%d members are learners: start etcd with --max-learners=%d", e.Learners, e.Learners)
	}
	leftOut := func(n int64, what string) {
		if n > 0 {
			say("left out: "+what, n)
		}
	}
	leftOut(e.Dirs, "%d directories of v2, which etcd has not beside v3's keys; the keys below them are there")
	leftOut(e.Expirations, "the time to live of %d keys of v2, which stay until they are deleted")
	leftOut(int64(e.Quotas), "%d quotas by prefix")
	if e.Guest {
		say("left out: the role guest of requests without credentials: etcd answers those to nobody")
	}
	t.tellAlarms("left out", e.Alarms)
	if e.Marked {
		say("revision %d changed no key: a deletion of a key that never was stands for it, so that etcd goes on behind it", e.Revision)
	}
}

// tellCluster says whose a directory became.
func (t *Tool) tellCluster(f offline.Founding, unconfirmed uint64, verb string) {
	say := func(format string, args ...any) { fmt.Fprintf(t.Stderr, format+"\n", args...) }
	if members := len(f.Members); members > 1 {
		if unconfirmed > 0 {
			say("of %d entries it did not know yet whether the others have them: they count", unconfirmed)
		}
		say("the cluster has %d members: %s a copy of the same directory for each of the others, with its --name, and start them together", members, verb)
	}
	say("member %s of cluster %s", identity.Format(f.MemberID), identity.Format(f.ClusterID))
}
