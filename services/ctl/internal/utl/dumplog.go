package utl

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/offline"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
)

func newDumpLog(t *Tool) *cobra.Command {
	var from, to uint64
	cmd := &cobra.Command{
		Use:   "dump-log <data directory>",
		Short: "Print the Raft log of a stopped member",
		Long: `Print the entries of a stopped member's Raft log: index, term, size on disk, and what each has carried out. With -w json each is a line of JSON. What is
damaged is named on the standard error, and what follows is printed all the same; the exit code is 1 then. Nothing is written.`,
		Example: fmt.Sprintf(`  # the newest entries before one that a member complains of
  %[1]s dump-log /var/lib/quorate --start-index 1200 --end-index 1234

  # who has deleted anything, with jq
  %[1]s dump-log /var/lib/quorate -w json | jq -c 'select(.commands[]?.kind == "delete_range")'`, t.Name),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return exit.Withf(exit.Arguments, "dump-log requires exactly one argument")
			case t.format != output.Simple && t.format != output.JSON:
				return exit.Withf(exit.Arguments, "dump-log prints simple or json, not %s", t.format)
			case to > 0 && to < from:
				return exit.Withf(exit.Arguments, "--end-index=%d is before --start-index=%d", to, from)
			}
			return t.dumpLog(cmd, args[0], from, to)
		}),
	}
	cmd.Flags().Uint64Var(&from, "start-index", 0, "first `index` that is printed, 0 for the log's first")
	cmd.Flags().Uint64Var(&to, "end-index", 0, "last `index` that is printed, 0 for the log's last")
	completeDirs(cmd)
	return cmd
}

func (t *Tool) dumpLog(cmd *cobra.Command, dataDir string, from, to uint64) error {
	var entries, damaged int
	print := printEntry
	if t.format == output.JSON {
		print = printEntryJSON
	}
	err := offline.DumpLog(cmd.Context(), offline.DumpLogConfig{
		DataDir: dataDir, From: from, To: to,
		Head: func(h offline.LogHead) error {
			fmt.Fprintf(t.Stderr, "member %s of cluster %s: term %d, vote %s, committed up to entry %d, truncated up to entry %d of term %d\n",
				identity.Format(h.MemberID), identity.Format(h.ClusterID), h.Term, identity.Format(h.Vote), h.Commit, h.Truncated, h.TruncatedTerm)
			return nil
		},
		Entry: func(e offline.LogEntry) error {
			entries++
			if e.Unreadable != nil {
				damaged++
			}
			return print(t.Stdout, e)
		},
		Damage: func(d offline.LogDamage) error {
			damaged++
			fmt.Fprintf(t.Stderr, "damaged: %s%v\n", damagedEntries(d), d.Err)
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Stderr, "%d entries\n", entries)
	if damaged > 0 {
		return fmt.Errorf("%d places of the log in %s cannot be read: %s verify --data-dir %s says what can be saved", damaged, dataDir, t.Name, dataDir)
	}
	return nil
}

// damagedEntries names the entries that damage takes.
func damagedEntries(d offline.LogDamage) string {
	switch {
	case d.First == 0:
		return ""
	case d.Last == 0:
		return fmt.Sprintf("all entries from %d on: ", d.First)
	case d.First == d.Last:
		return fmt.Sprintf("entry %d: ", d.First)
	}
	return fmt.Sprintf("entries %d to %d: ", d.First, d.Last)
}

// printEntry prints an entry as a line, and further commands of it as one each.
func printEntry(w io.Writer, e offline.LogEntry) error {
	at := "-"
	if !e.Time.IsZero() {
		at = e.Time.Format(time.RFC3339Nano)
	}
	var lines []string
	switch {
	case e.Unreadable != nil:
		lines = []string{"unreadable: " + e.Unreadable.Error()}
	case e.Change != nil:
		lines = []string{fmt.Sprintf("members %s %s %s", e.Change.Kind, identity.Format(e.Change.MemberID), strings.Join(e.Change.PeerURLs, ","))}
	case len(e.Commands) == 0:
		lines = []string{"empty"}
	}
	for _, c := range e.Commands {
		lines = append(lines, describe(c))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%s\n", e.Term, e.Index, e.Bytes, at, strings.TrimSpace(line)); err != nil {
			return err
		}
	}
	return nil
}

// describe is a command in a line.
func describe(c offline.LogCommand) string {
	line := c.Kind
	if c.Key != nil {
		line += fmt.Sprintf(" %q", c.Key)
	}
	if len(c.RangeEnd) > 0 {
		line += fmt.Sprintf(" to %q", c.RangeEnd)
	}
	cmd := c.Command
	switch {
	case cmd.GetPut() != nil:
		line += fmt.Sprintf(" = %d bytes", len(cmd.GetPut().GetValue()))
		if lease := cmd.GetPut().GetLease(); lease != 0 {
			line += " lease " + identity.Format(uint64(lease))
		}
	case cmd.GetTxn() != nil:
		line += fmt.Sprintf(" %d compares, %d or %d operations", len(cmd.GetTxn().GetCompare()), len(cmd.GetTxn().GetSuccess()), len(cmd.GetTxn().GetFailure()))
	case cmd.GetCompact() != nil:
		line += fmt.Sprintf(" %d", cmd.GetCompact().GetRevision())
	case cmd.GetLeaseGrant() != nil:
		line += fmt.Sprintf(" %s of %d s", identity.Format(uint64(cmd.GetLeaseGrant().GetId())), cmd.GetLeaseGrant().GetTtl())
	case cmd.GetLeaseRevoke() != nil:
		for _, id := range cmd.GetLeaseRevoke().GetIds() {
			line += " " + identity.Format(uint64(id))
		}
	case cmd.GetPublish() != nil:
		line += fmt.Sprintf(" %s %q %s", identity.Format(cmd.GetPublish().GetMemberId()), cmd.GetPublish().GetName(), strings.Join(cmd.GetPublish().GetClientUrls(), ","))
	}
	if c.User != "" {
		line += fmt.Sprintf(" by %q", c.User)
	}
	return line
}

// commandJSON is a command of entryJSON. Keys are base64, as in etcdctl's JSON.
type commandJSON struct {
	Kind     string `json:"kind"`
	Key      []byte `json:"key,omitempty"`
	RangeEnd []byte `json:"range_end,omitempty"`
	Bytes    int    `json:"bytes"`
	User     string `json:"user,omitempty"`
}

// entryJSON is the line of an entry.
type entryJSON struct {
	Term     uint64                `json:"term"`
	Index    uint64                `json:"index"`
	Bytes    int                   `json:"bytes"`
	Time     *time.Time            `json:"time,omitempty"`
	Type     string                `json:"type"`
	Change   *offline.MemberChange `json:"change,omitempty"`
	Commands []commandJSON         `json:"commands,omitempty"`
	Error    string                `json:"error,omitempty"`
}

func printEntryJSON(w io.Writer, e offline.LogEntry) error {
	line := entryJSON{Term: e.Term, Index: e.Index, Bytes: e.Bytes, Type: "normal", Change: e.Change}
	if !e.Time.IsZero() {
		line.Time = &e.Time
	}
	switch {
	case e.Unreadable != nil:
		line.Type, line.Error = "unreadable", e.Unreadable.Error()
	case e.Change != nil:
		line.Type = "members"
	case len(e.Commands) == 0:
		line.Type = "empty"
	}
	for _, c := range e.Commands {
		line.Commands = append(line.Commands, commandJSON{Kind: c.Kind, Key: c.Key, RangeEnd: c.RangeEnd, Bytes: c.Bytes, User: c.User})
	}
	return json.NewEncoder(w).Encode(line)
}
