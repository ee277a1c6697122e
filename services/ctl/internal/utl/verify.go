package utl

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/offline"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/progress"
)

func newVerify(t *Tool) *cobra.Command {
	dataDir := ""
	cmd := &cobra.Command{
		Use:   "verify --data-dir {dir}",
		Short: "Read all of a stopped member's data, and say whether it is what was written",
		Long: `Read all of a stopped member's data: the log with its checksums, and the state, which is compared with its digest, with what leases and
expirations list, and with the index of counts; and the keys with the history, each with the other. What is damaged is named, and what can be saved
by which command. The exit code is 0 where all is well, and 1 otherwise.`,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if dataDir == "" || len(args) > 0 {
				return exit.Withf(exit.Arguments, "verify requires --data-dir, and no arguments")
			}
			bar := progress.New(t.Stderr, "verifying")
			v, err := offline.Verify(cmd.Context(), offline.VerifyConfig{DataDir: dataDir, Progress: bar.Set})
			bar.Finish()
			if err != nil {
				return err
			}
			return t.tellVerified(dataDir, v)
		}),
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "`directory` that is read")
	if err := cmd.MarkFlagDirname("data-dir"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

func (t *Tool) tellVerified(dataDir string, v offline.Verified) error {
	say := func(format string, args ...any) { fmt.Fprintf(t.Stdout, format+"\n", args...) }
	say("member %s of cluster %s, which has %d", identity.Format(v.MemberID), identity.Format(v.ClusterID), len(v.Members))
	say("log: entries %d to %d; state: at entry %d of term %d", v.LogFirst, v.LogLast, v.Applied, v.Term)
	say("revision %d (compacted %d), %d keys, %d leases, digest %016x", v.Revision, v.Compacted, v.Keys, v.Leases, v.Digest)
	for _, alarm := range v.Alarms {
		say("alarm %s of member %s", strings.TrimPrefix(alarm.GetType().String(), "TYPE_"), identity.Format(alarm.GetMemberId()))
	}
	if len(v.Damage) == 0 {
		if v.LogLast > v.Applied {
			say("%d entries of the log are carried out at the next start", v.LogLast-v.Applied)
		}
		say("all is as it was written")
		return nil
	}
	for _, d := range v.Damage {
		say("damaged: %s: %v", d.Part, d.Err)
	}
	t.tellSavable(dataDir, v, say)
	return fmt.Errorf("%s is damaged", dataDir)
}

// tellSavable says what can be saved, and how.
func (t *Tool) tellSavable(dataDir string, v offline.Verified, say func(format string, args ...any)) {
	if len(v.Members) > 1 {
		say("if the other members serve, they have all of it. Keep this directory until it is so, and have the member begin anew:")
		for _, m := range v.Members {
			if m.GetId() == v.MemberID {
				say("    quoratectl member remove %s", identity.Format(m.GetId()))
				say("    quoratectl member add %s --peer-urls=%s", m.GetName(), strings.Join(m.GetPeerUrls(), ","))
			}
		}
		say("    and start it with --initial-cluster-state=existing and an empty data directory")
		say("if this is all that is left:")
	}
	switch {
	case v.StateWhole:
		say("the state is whole. All up to entry %d, revision %d, can be saved:", v.Applied, v.Revision)
		say("    %s snapshot save FILE --data-dir %s --without-log", t.Name, dataDir)
		say("    %s snapshot restore FILE --data-dir NEW", t.Name)
		if v.LogLast > v.Applied {
			say("entries %d to %d of the log are not in it; those that can be read are shown by", v.Applied+1, v.LogLast)
			say("    %s dump-log %s --start-index %d", t.Name, dataDir, v.Applied+1)
		}
	case v.StateOpens:
		say("the keys that can be read can be saved, and those that are lost are named; a snapshot that was saved before may have more:")
		say("    %s snapshot save FILE --data-dir %s --skip-damaged", t.Name, dataDir)
		say("    %s snapshot restore FILE --data-dir NEW", t.Name)
	default:
		say("nothing of the state can be saved: restore the newest snapshot that was saved")
		if v.LogEntries > 0 {
			say("of the log %d entries can be read, %d to %d:", v.LogEntries, v.LogFirst, v.LogLast)
			say("    %s dump-log %s", t.Name, dataDir)
		}
	}
}
