// Package doctor holds the command that looks at a cluster as an experienced operator would, and says what to do.
package doctor

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/paint"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// New is the command doctor.
func New(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look at the cluster as an experienced operator would, and say what to do",
		Long: `Look at the cluster as an experienced operator would: whether every member can be reached and is of one version, whether there is a leader that all see, who is behind, alarms, room for
data, history that nobody compacts, clocks, certificates that end soon, and doors that stand open. It says what to do about what it finds, and changes nothing.

The exit code is 1 if there is a problem or a warning, 0 if there are at most notes. It works on etcd, too.`,
		Args: cobra.NoArgs,
		RunE: s.Run(run),
	}
}

func run(call *shell.Call) error {
	found, err := gather(call)
	if err != nil {
		return err
	}
	findings := judge(found)
	p := call.Paint()
	if err := call.Print(output.Answer{JSON: findings, Simple: func(t *output.Text) { show(t, found, findings, p) }}); err != nil {
		return err
	}
	for _, f := range findings {
		if f.Severity != note {
			return exit.Silently(exit.Failure)
		}
	}
	return nil
}

func show(t *output.Text, found *facts, findings []finding, p paint.Paint) {
	paints := map[severity]func(string) string{problem: p.Red, warning: p.Yellow, note: p.Blue}
	counts := map[severity]int{}
	for _, f := range findings {
		counts[f.Severity]++
		t.Linef("%s  %s", paints[f.Severity](fmt.Sprintf("%-7s", strings.ToUpper(string(f.Severity)))), p.Bold(f.What))
		t.Linef("         %s", f.Do)
	}
	if len(findings) > 0 {
		t.Linef("")
	}
	summary := fmt.Sprintf("%d endpoints asked, %d members: %d problems, %d warnings, %d notes",
		len(found.endpoints), len(found.members), counts[problem], counts[warning], counts[note])
	if counts[problem]+counts[warning] == 0 {
		t.Linef("%s", p.Green(summary))
		return
	}
	t.Linef("%s", summary)
}
