package inspect

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/services/ctl/internal/difference"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/paint"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// historyFlags say how much of a history is shown.
type historyFlags struct {
	limit  int64
	before int64
	values bool
	diff   bool
}

func newHistory(s *shell.Shell) *cobra.Command {
	var f historyFlags
	cmd := &cobra.Command{
		Use:   "history [options] <key>",
		Short: "Show the versions that a key had, with when they were written",
		Long: `Show the versions that a key had, the newest first: their revisions, when those were made (to the second), and deletions. It goes as far back as compaction
has left the history. "get --rev" reads any of them.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.CompleteKeys,
		RunE:              s.Run(f.run),
	}
	flags := cmd.Flags()
	flags.Int64Var(&f.limit, "limit", 20, "show this many versions at the most (0: all that are left)")
	flags.Int64Var(&f.before, "before", 0, "only versions of before this revision (0: all)")
	flags.BoolVar(&f.values, "values", false, "print the values, too")
	flags.BoolVar(&f.diff, "diff", false, "print what each version changed")
	return cmd
}

// historyPage is as many versions as a request may ask for.
const historyPage = 1000

func (f *historyFlags) run(call *shell.Call) error {
	if f.limit < 0 || f.before < 0 {
		return exit.Withf(exit.Arguments, "--limit and --before are not below 0")
	}
	wanted := f.limit
	if f.diff && wanted > 0 {
		wanted++ // what the last one that is shown has changed is told by the one before it
	}
	all := &quoratev1.HistoryResponse{}
	request := &quoratev1.HistoryRequest{Key: []byte(call.Args[0]), Before: f.before, WithValues: f.values || f.diff}
	for {
		request.Limit = historyPage
		if wanted > 0 {
			request.Limit = min(wanted-int64(len(all.GetVersions())), historyPage)
		}
		page, err := shell.AskOwn[quoratev1.HistoryResponse](call, historyMethod, request)
		if err != nil {
			return err
		}
		page.Versions = append(all.GetVersions(), page.GetVersions()...)
		all = page
		if !page.GetMore() || int64(len(page.GetVersions())) == wanted {
			break
		}
		request.Before = page.GetVersions()[len(page.GetVersions())-1].GetRevision()
	}
	if len(all.GetVersions()) == 0 {
		return exit.Withf(exit.Failure, "%q has no history: there was no such key, or what was of it is compacted (up to revision %d)", call.Args[0], all.GetCompactedRevision())
	}
	p := call.Paint()
	return call.Print(output.Answer{JSON: all, Message: all, Simple: func(t *output.Text) { f.print(t, all, p) }})
}

func (f *historyFlags) print(t *output.Text, all *quoratev1.HistoryResponse, p paint.Paint) {
	versions := all.GetVersions()
	shown := len(versions)
	if f.limit > 0 {
		shown = min(shown, int(f.limit))
	}
	for i, version := range versions[:shown] {
		t.Linef("%s", lineOf(version, p))
		if f.values && !version.GetDeleted() {
			t.Linef("%s", shownValue(version.GetValue(), t.Hex))
		}
		if f.diff && i+1 < len(versions) {
			t.Printf("%s", difference.Of(versions[i+1].GetValue(), version.GetValue(), p))
		}
	}
	last := versions[len(versions)-1]
	switch {
	case shown < len(versions) || all.GetMore():
		t.Linef("%s", p.Dim(fmt.Sprintf("... older ones: --before=%d, or --limit=0", versions[shown-1].GetRevision())))
	case last.GetVersion() != 1 || last.GetDeleted():
		t.Linef("%s", p.Dim(fmt.Sprintf("... what was before is compacted (up to revision %d)", all.GetCompactedRevision())))
	}
}

func lineOf(version *quoratev1.Version, p paint.Paint) string {
	when := p.Dim("time not known     ")
	if at := moment(version.GetTimeUnixNano()); at != "" {
		when = at + p.Dim(" ("+humanize.Time(time.Unix(0, version.GetTimeUnixNano()))+")")
	}
	what := p.Red("deleted")
	if !version.GetDeleted() {
		what = fmt.Sprintf("version %d, %s", version.GetVersion(), bytesOf(version.GetValueBytes()))
		if version.GetVersion() == 1 {
			what = p.Green("created") + ", " + bytesOf(version.GetValueBytes())
		}
	}
	if version.GetLease() != 0 {
		what += fmt.Sprintf(", lease %016x", version.GetLease())
	}
	return fmt.Sprintf("%s  %s  %s", p.Bold(fmt.Sprintf("%8d", version.GetRevision())), when, what)
}

// shownValue is a value as a terminal bears it.
func shownValue(value []byte, hex bool) string {
	if hex || !difference.IsText(value) {
		return fmt.Sprintf("%q", value)
	}
	return string(value)
}
