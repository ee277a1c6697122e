package utl

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/services/consensus/offline"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

func newSave(t *Tool) *cobra.Command {
	var cfg offline.SaveConfig
	cmd := &cobra.Command{
		Use:   "save <filename> --data-dir {dir}",
		Short: "Save a stopped member's data as a snapshot",
		Long: `Save a stopped member's data as a snapshot, with what is in its log. Of data that is damaged it saves what can be read: --without-log takes the state
as it is, --skip-damaged what can be read of it, and names the keys that are lost. The data is only read. From a member that runs, take one with quoratectl.`,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || cfg.DataDir == "" {
				return exit.Withf(exit.Arguments, "snapshot save requires exactly one argument, and --data-dir")
			}
			cfg.Path = args[0]
			return t.save(cmd, cfg)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.DataDir, "data-dir", "", "`directory` that is saved")
	flags.BoolVar(&cfg.WithoutLog, "without-log", false, "leave out what is in the log and not yet in the state: for a damaged log")
	flags.BoolVar(&cfg.SkipDamaged, "skip-damaged", false, "leave out the log, and the keys that cannot be read: for a damaged state")
	if err := cmd.MarkFlagDirname("data-dir"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

func (t *Tool) save(cmd *cobra.Command, cfg offline.SaveConfig) error {
	bar := t.bar("saving")
	cfg.Progress = bar.set
	saved, err := offline.SaveSnapshot(cmd.Context(), cfg)
	bar.finish(err)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { fmt.Fprintf(t.Stderr, format+"\n", args...) }
	log := fmt.Sprintf("%d entries were not yet in the state", saved.Replayed)
	if cfg.WithoutLog || cfg.SkipDamaged {
		log = "what the log has beyond that is left out"
	}
	say("saved %s: revision %d (compacted %d), up to entry %d of term %d; %s", cfg.Path, saved.Revision, saved.Compacted, saved.Index, saved.Term, log)
	for _, lost := range saved.Lost {
		before := "the last one"
		if lost.Before != nil {
			before = fmt.Sprintf("those before %q", lost.Before)
		}
		say("lost: keys behind %q, up to %s: %v", lost.After, before, lost.Err)
	}
	return nil
}
