package check

import (
	"fmt"
	"io"
)

// shownMax bounds how many violations a verdict spells out.
const shownMax = 4

// Verdict is what a check has found.
type Verdict struct {
	Name string
	// Checked is how many things were looked at, in the unit What.
	Checked int
	What    string
	// Violations spells out the first violations of Violated in all.
	Violations []string
	Violated   int
	// Undecided says why there is no verdict, if so; it counts as a failure.
	Undecided string
}

// Failed reports whether the history is not shown to be right; one in which nothing happened is not.
func (v *Verdict) Failed() bool { return v.Violated > 0 || v.Undecided != "" || v.Checked == 0 }

func (v *Verdict) violation(format string, args ...any) {
	v.Violated++
	if len(v.Violations) < shownMax {
		v.Violations = append(v.Violations, fmt.Sprintf(format, args...))
	}
}

// Print writes each verdict with what it found, and reports whether none failed.
func Print(w io.Writer, verdicts []Verdict) (good bool) {
	good = true
	for _, v := range verdicts {
		word := "ok    "
		if v.Failed() {
			good, word = false, "FAILED"
		}
		fmt.Fprintf(w, "  %s  %-52s %d %s\n", word, v.Name, v.Checked, v.What)
		for _, violation := range v.Violations {
			fmt.Fprintf(w, "          %s\n", violation)
		}
		if more := v.Violated - len(v.Violations); more > 0 {
			fmt.Fprintf(w, "          and %d more\n", more)
		}
		if v.Undecided != "" {
			fmt.Fprintf(w, "          undecided: %s\n", v.Undecided)
		}
	}
	return good
}
