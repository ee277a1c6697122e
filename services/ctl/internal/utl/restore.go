package utl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/pkg/founders"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/offline"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

const (
	defaultName    = "default"
	defaultPeerURL = "http://localhost:2380"
)

// restoreFlags are etcdutl's.
type restoreFlags struct {
	dataDir, walDir, name   string
	cluster, token, peerURL string
	skipChecksum            bool
	mapSize, bump           uint64
	markCompacted           bool
}

func newRestore(t *Tool, example string) *cobra.Command {
	f := &restoreFlags{}
	cmd := &cobra.Command{
		Use:   "restore <filename> --data-dir {output dir} [options]",
		Short: "Found a member's data directory from a snapshot",
		Long: `Found a member's data directory from a snapshot that etcd (3.4 to 3.7) or Quorate has written. It has every key with its versions, revisions
and leases, and users and roles with their passwords. Its members are those that --initial-cluster names: restore the same file on each of
them, with the same --initial-cluster and --initial-cluster-token. The directory must be empty; after an error there is nothing in it.`,
		Example: example,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return t.restore(cmd, f, args)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dataDir, "data-dir", "", "`directory` that is made (default: the name, and .etcd)")
	flags.StringVar(&f.walDir, "wal-dir", "", "has no effect: the log is in the data directory")
	flags.StringVar(&f.cluster, "initial-cluster", defaultName+"="+defaultPeerURL, "founding members as `name=url,...`")
	flags.StringVar(&f.token, "initial-cluster-token", "etcd-cluster", "tells clusters with the same addresses apart; ids depend on it")
	flags.StringVar(&f.peerURL, "initial-advertise-peer-urls", defaultPeerURL, "`URLs` at which the other members reach this one, comma separated")
	flags.StringVar(&f.name, "name", defaultName, "`name` of this member")
	flags.BoolVar(&f.skipChecksum, "skip-hash-check", false, "do not ask for a checksum: of a file that was copied from a data directory")
	flags.Uint64Var(&f.mapSize, "initial-memory-map-size", 10<<30, "has no effect: memory is not mapped by size")
	flags.Uint64Var(&f.bump, "bump-revision", 0, "`how much` to add to the newest revision, so that clients see none again that they have seen")
	flags.BoolVar(&f.markCompacted, "mark-compacted", false, "mark the newest revision compacted (required with --bump-revision, and refused without)")
	for _, name := range []string{"data-dir", "wal-dir"} {
		if err := cmd.MarkFlagDirname(name); err != nil {
			panic(err) // there is no such flag
		}
	}
	return cmd
}

func (t *Tool) restore(cmd *cobra.Command, f *restoreFlags, args []string) error {
	if len(args) != 1 {
		return exit.Withf(exit.Arguments, "snapshot restore requires exactly one argument")
	}
	if f.markCompacted != (f.bump > 0) {
		return exit.Withf(exit.Arguments, "--mark-compacted required if --bump-revision > 0, and --bump-revision if --mark-compacted")
	}
	if f.walDir != "" {
		fmt.Fprintln(t.Stderr, "--wal-dir has no effect: the log is in the data directory")
	}
	if f.dataDir == "" {
		f.dataDir = f.name + ".etcd"
	}
	founding, err := f.founding()
	if err != nil {
		return err
	}
	bar := t.bar("restoring")
	restored, err := offline.Restore(cmd.Context(), offline.RestoreConfig{
		Snapshot: offline.Snapshot{Path: args[0], SkipChecksum: f.skipChecksum, Timeout: t.lockTimeout},
		DataDir:  f.dataDir, Founding: founding, BumpRevision: f.bump, Progress: bar.set,
	})
	bar.finish(err)
	if err != nil {
		return err
	}
	t.tell(f, founding, restored)
	return nil
}

// founding works out the cluster that is founded.
func (f *restoreFlags) founding() (offline.Founding, error) {
	urls, err := founders.Parse(f.cluster)
	if err != nil {
		return offline.Founding{}, fmt.Errorf("--initial-cluster: %w", err)
	}
	own, known := urls[f.name]
	if !known {
		return offline.Founding{}, fmt.Errorf("--initial-cluster=%s does not hold --name=%s", f.cluster, f.name)
	}
	if f.peerURL == "" {
		f.peerURL = strings.Join(own, ",")
	}
	advertised := strings.Split(f.peerURL, ",")
	var wrong []error
	for i, text := range advertised {
		u, err := founders.ParseURL(strings.TrimSpace(text))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("--initial-advertise-peer-urls: %q %w", text, err))
			continue
		}
		advertised[i] = u.String()
	}
	if err := errors.Join(wrong...); err != nil {
		return offline.Founding{}, err
	}
	if !founders.SameURLs(own, advertised) {
		return offline.Founding{}, fmt.Errorf("--initial-cluster has %s for this member, but --initial-advertise-peer-urls=%s", strings.Join(own, ","), f.peerURL)
	}
	founding := offline.Founding{ClusterToken: f.token, Members: founders.Members(urls)}
	if founding.ClusterID, err = founders.Identify(founding.Members, f.token); err != nil {
		return offline.Founding{}, err
	}
	founding.MemberID = founding.Members[slices.IndexFunc(founding.Members, isNamed(f.name))].GetId()
	return founding, nil
}

// tell says what was restored, and what was not.
func (t *Tool) tell(f *restoreFlags, founding offline.Founding, r offline.Restored) {
	say := func(format string, args ...any) { fmt.Fprintf(t.Stderr, format+"\n", args...) }
	say("restored into %s: revision %d (compacted %d), %d keys in %d versions, %d leases, %d users, %d roles", f.dataDir, r.Revision, r.Compacted, r.Keys, r.Versions, r.Leases, r.Users, r.Roles)
	say("member %s of cluster %s, which has %d", identity.Format(founding.MemberID), identity.Format(founding.ClusterID), len(founding.Members))
	t.tellAlarms("not restored", r.Alarms)
	if r.Outdated {
		say("not restored: what only Quorate knows of (directories and expirations of v2, quotas by prefix, times of revisions), because an etcd has written since")
	}
}

// tellAlarms names those that stay behind.
func (t *Tool) tellAlarms(why string, alarms []*consensusv1.Alarm) {
	for _, alarm := range alarms {
		fmt.Fprintf(t.Stderr, "%s: the alarm %s of member %s, which was about the disk or state of the old cluster\n",
			why, strings.TrimPrefix(alarm.GetType().String(), "TYPE_"), identity.Format(alarm.GetMemberId()))
	}
}
