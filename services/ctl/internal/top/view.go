package top

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/quoratedb/quorate/services/ctl/internal/paint"
)

// view is what one screen shows.
type view struct {
	Members []*memberView `json:"members"`
	Leases  int64         `json:"leases"` // -1 where it is not known
	Alarms  []string      `json:"alarms,omitempty"`
	Writes  []rate        `json:"writes"`
	Error   string        `json:"error,omitempty"`
	// WritesErr says why writes are not counted any more.
	WritesErr error `json:"-"`
}

// failed tells whether something could not be asked.
func (v *view) failed() bool { return v.Error != "" }

// settle works out how far members are behind.
func (v *view) settle() {
	var newest uint64
	for _, m := range v.Members {
		newest = max(newest, m.RaftIndex)
	}
	for _, m := range v.Members {
		if m.RaftIndex > 0 {
			m.Lag = newest - m.RaftIndex
		}
	}
}

// text is the screen, in at most so many lines (0: as many as there are).
func (v *view) text(p paint.Paint, lines int) string {
	var b strings.Builder
	if v.Error != "" {
		fmt.Fprintf(&b, "%s\n", p.Red("The members cannot be listed: "+v.Error))
	}
	fmt.Fprintf(&b, "%s\n", p.Bold(fmt.Sprintf("%-18s %-12s %-9s %-9s %12s %8s %10s %10s %8s", "MEMBER", "NAME", "ROLE", "VERSION", "REVISION", "LAG", "SIZE", "IN USE", "WATCHES")))
	for _, m := range v.Members {
		role := fmt.Sprintf("%-9s", m.Role)
		if m.Role == "leader" {
			role = p.Green(role)
		}
		fmt.Fprintf(&b, "%-18s %-12s %s %-9s %12s %8s %10s %10s %8s", m.ID, m.Name, role, m.Version, humanize.Comma(m.Revision), humanize.Comma(int64(m.Lag)),
			humanize.IBytes(uint64(m.Size)), humanize.IBytes(uint64(m.InUse)), number(m.Watches))
		if m.Error != "" {
			fmt.Fprintf(&b, "  %s", p.Red(m.Error))
		}
		b.WriteByte('\n')
	}
	total := 0.0
	for _, r := range v.Writes {
		total += r.PerSecond
	}
	fmt.Fprintf(&b, "\nleases %s   writes %.1f/s", number(v.Leases), total)
	if len(v.Alarms) > 0 {
		fmt.Fprintf(&b, "   %s", p.Red("alarms: "+strings.Join(v.Alarms, ", ")))
	}
	b.WriteString("\n\n")
	if v.WritesErr != nil {
		fmt.Fprintf(&b, "%s\n", p.Yellow("Writes cannot be counted: "+v.WritesErr.Error()))
	}
	fmt.Fprintf(&b, "%s\n", p.Bold(fmt.Sprintf("%12s  %s", "WRITES/S", "PREFIX")))
	for _, r := range v.Writes {
		fmt.Fprintf(&b, "%12.1f  %s\n", r.PerSecond, shown(r.Prefix))
	}
	if lines <= 0 {
		return b.String()
	}
	all := strings.SplitAfter(b.String(), "\n")
	return strings.Join(all[:min(lines, len(all))], "")
}

func number(n int64) string {
	if n < 0 {
		return "?"
	}
	return humanize.Comma(n)
}

// shown is a prefix as a line bears it.
func shown(prefix string) string {
	if prefix == "" {
		return "(no prefix)"
	}
	quoted := fmt.Sprintf("%q", prefix)
	if quoted == `"`+prefix+`"` {
		return prefix
	}
	return quoted
}
