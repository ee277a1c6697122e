package utl

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/services/consensus/offline"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
)

func newSnapshot(t *Tool) *cobra.Command {
	example := fmt.Sprintf(`  # what is in a snapshot
  %[1]s snapshot status /backup/store.db -w table

  # a store of one member from it
  %[1]s snapshot restore /backup/store.db --data-dir default.etcd
  quorate --data-dir default.etcd

  # one of three, on each host with its own name and address
  %[1]s snapshot restore /backup/store.db --data-dir m1.etcd --name m1 \
    --initial-cluster m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380 \
    --initial-cluster-token restored --initial-advertise-peer-urls http://10.0.0.1:2380`, t.Name)
	cmd := &cobra.Command{Use: "snapshot <subcommand>", Short: "Look at snapshots, and found stores from them", Example: example}
	cmd.AddCommand(newRestore(t, example), newStatus(t), newSave(t))
	return cmd
}

func newStatus(t *Tool) *cobra.Command {
	return &cobra.Command{
		Use:   "status <filename>",
		Short: "Print what is in a snapshot",
		Long: `Print what is in a snapshot, or in a copy of etcd's database: a hash of all of it, its newest revision, how many keys there are, its size and
the version of the storage. A checksum that is there must be right.`,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return exit.Withf(exit.Arguments, "snapshot status requires exactly one argument")
			}
			bar := t.bar("reading")
			status, err := offline.ReadStatus(cmd.Context(), offline.Snapshot{Path: args[0], Timeout: t.lockTimeout, Progress: bar.set})
			bar.finish(err)
			if err != nil {
				return err
			}
			return t.print(output.SnapshotStatus(status.Hash, status.Revision, status.Keys, status.Bytes, status.Version))
		}),
	}
}

func newHashKV(t *Tool) *cobra.Command {
	revision := int64(0)
	cmd := &cobra.Command{
		Use:   "hashkv <filename>",
		Short: "Print etcd's hash of the keys in a snapshot",
		Args:  cobra.ExactArgs(1),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			bar := t.bar("hashing")
			h, err := offline.ReadHashKV(cmd.Context(), offline.Snapshot{Path: args[0], Timeout: t.lockTimeout, Progress: bar.set}, revision)
			bar.finish(err)
			if err != nil {
				return err
			}
			return t.print(output.FileHashKV(h.Hash, h.Revision, h.Compacted))
		}),
	}
	cmd.Flags().Int64Var(&revision, "rev", 0, "the newest `revision` to hash, 0 for all")
	return cmd
}
