package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"sort"
	"strings"
)

// outcomeLine is how a test binary tells of a test's end.
var outcomeLine = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(`)

// startLine is how it tells of a beginning: a test that has one and no end was cut off.
var startLine = regexp.MustCompile(`^=== RUN\s+(\S+)`)

// results reads a test binary's output as it comes.
type results struct {
	outcome map[string]string // PASS, FAIL or SKIP; empty while it runs
	line    bytes.Buffer
	loud    bool
	ended   string
}

// Write takes output and passes the outcomes on.
func (r *results) Write(output []byte) (int, error) {
	r.line.Write(output)
	for {
		end := bytes.IndexByte(r.line.Bytes(), '\n')
		if end < 0 {
			return len(output), nil
		}
		r.read(string(r.line.Next(end + 1)))
	}
}

func (r *results) read(line string) {
	if m := startLine.FindStringSubmatch(line); m != nil {
		r.outcome[m[1]] = ""
		return
	}
	m := outcomeLine.FindStringSubmatch(line)
	if m != nil {
		r.outcome[m[2]] = m[1]
	}
	// A panic ends all tests, and the outcomes say nothing of it.
	if r.loud && (m != nil || strings.HasPrefix(line, "panic: ")) {
		fmt.Fprint(os.Stdout, strings.TrimLeft(line, " "))
	}
}

// named are the tests with an outcome, those of which others are a part left out.
func (r *results) named(outcome string) []string {
	var names []string
	for name, got := range r.outcome {
		if got == outcome && !r.parent(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func (r *results) parent(name string) bool {
	for other := range r.outcome {
		if strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// report writes the counts, what failed and what changed, and reports whether everything required passed.
func (r *results) report(w io.Writer, required []string) bool {
	passed, failed, skipped, unfinished := r.named("PASS"), r.named("FAIL"), r.named("SKIP"), r.named("")
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped, %d did not end (%s)\n", len(passed), len(failed), len(skipped), len(unfinished), r.ended)
	list := func(title string, names []string) {
		if len(names) > 0 {
			fmt.Fprintf(w, "\n%s:\n  %s\n", title, strings.Join(names, "\n  "))
		}
	}
	list("Failed", failed)
	list("Did not end", unfinished)
	known := map[string]bool{}
	var lost, gained []string
	for _, name := range required {
		known[name] = true
		if r.outcome[name] != "PASS" {
			lost = append(lost, name)
		}
	}
	for _, name := range passed {
		if !known[name] {
			gained = append(gained, name)
		}
	}
	list("Pass, and are not in passing.txt yet", gained)
	list("Must pass, and did not", lost)
	return len(lost) == 0
}
