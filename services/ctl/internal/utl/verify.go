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
expirations list, and with the index of counts. The exit code is 0 where all is well.`,
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
			t.tellVerified(v)
			return nil
		}),
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "`directory` that is read")
	if err := cmd.MarkFlagDirname("data-dir"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

func (t *Tool) tellVerified(v offline.Verified) {
	say := func(format string, args ...any) { fmt.Fprintf(t.Stdout, format+"\n", args...) }
	say("member %s of cluster %s, which has %d", identity.Format(v.MemberID), identity.Format(v.ClusterID), len(v.Members))
	say("log: entries %d to %d; state: at entry %d of term %d", v.LogFirst, v.LogLast, v.Applied, v.Term)
	say("revision %d (compacted %d), %d keys, %d leases, digest %016x", v.Revision, v.Compacted, v.Keys, v.Leases, v.Digest)
	for _, alarm := range v.Alarms {
		say("alarm %s of member %s", strings.TrimPrefix(alarm.GetType().String(), "TYPE_"), identity.Format(alarm.GetMemberId()))
	}
	if v.LogLast > v.Applied {
		say("%d entries of the log are carried out at the next start", v.LogLast-v.Applied)
	}
	say("all is as it was written")
}
