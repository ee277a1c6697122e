// Command bench measures Quorate against etcd on one machine: for each case it runs both in turn, A B A B, on fresh data directories, and
// prints the medians as a Markdown table. Only the ratios mean anything: client and server share the machine.
//
// It is run by make bench; -cases names cases or their beginnings, -scale multiplies every number of operations. With -base it measures
// against the programs of an earlier commit instead, as make bench BASE=COMMIT does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/quoratedb/quorate/tests/harness"
)

// system is one of the two that are compared.
type system struct {
	name, binary string
}

func (s system) etcd() bool { return s.name == "etcd" }

func main() {
	rounds := flag.Int("rounds", 3, "how often each system runs each case")
	names := flag.String("cases", "default", "cases to run, comma-separated beginnings of their names; default leaves out the long ones, all does not")
	scale := flag.Float64("scale", 1, "multiplies the number of operations of each case")
	etcd := flag.String("etcd", "", "etcd's binary, bin/peers/etcd if empty")
	quorate := flag.String("quorate", "", "our binary, bin/quorate if empty")
	base := flag.String("base", "", "directory of the programs of an earlier commit, to measure against them in place of etcd")
	baseName := flag.String("base-name", "base", "what the table calls them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := func() error {
		systems, err := pair(*etcd, *quorate, *base, *baseName)
		if err != nil {
			return err
		}
		return compare(ctx, *rounds, *scale, *names, systems)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// pair returns the two systems, with what is not named: etcd or, of a base, its quorate, and ours.
func pair(etcd, quorate, base, baseName string) (systems [2]system, err error) {
	if quorate == "" {
		if quorate, err = harness.Binary(); err != nil {
			return systems, err
		}
	}
	systems[1] = system{"quorate", quorate}
	if base != "" {
		systems[0] = system{baseName, filepath.Join(base, "quorate")}
		_, err := os.Stat(systems[0].binary)
		return systems, err
	}
	if etcd == "" {
		if etcd, err = harness.Peer("etcd"); err != nil {
			return systems, err
		}
	}
	systems[0] = system{"etcd", etcd}
	return systems, nil
}

func compare(ctx context.Context, rounds int, scale float64, names string, systems [2]system) error {
	selected, err := choose(names)
	if err != nil {
		return err
	}
	fmt.Print(heading(systems[0].name))
	for _, c := range selected {
		if !systems[0].etcd() {
			c.title = firstColumn.ReplaceAllString(c.title, "")
		}
		var results [2][]result
		for round := range rounds {
			for i, s := range systems {
				s, c := c.on(i, s, systems[1])
				r, err := try(ctx, s, c, scale)
				if err != nil {
					return fmt.Errorf("%s, %s, round %d: %w", c.name, s.name, round+1, err)
				}
				fmt.Fprintf(os.Stderr, "%s\t%s\tround %d\t%s\n", c.name, s.name, round+1, r)
				results[i] = append(results[i], r)
			}
		}
		fmt.Println(row(c, median(results[0]), median(results[1])))
	}
	return nil
}

// on returns the system and the case for a column. An earlier commit of ours can do what etcd cannot.
func (c benchCase) on(column int, s, ours system) (system, benchCase) {
	if c.before == nil || !s.etcd() && column == 0 {
		return s, c
	}
	if column == 0 {
		c.run = c.before
	}
	return ours, c
}

// firstColumn is what the title of a case says of it, where that is not etcd.
var firstColumn = regexp.MustCompile(` \(first column[^)]*\)`)

// choose returns the cases whose names begin with one of the names.
func choose(names string) ([]benchCase, error) {
	var chosen []benchCase
	for _, c := range cases {
		for name := range strings.SplitSeq(names, ",") {
			if name == "all" || (name == "default" && !c.long) || (name != "" && strings.HasPrefix(c.name, name)) {
				chosen = append(chosen, c)
				break
			}
		}
	}
	if len(chosen) == 0 {
		var known []string
		for _, c := range cases {
			known = append(known, c.name)
		}
		return nil, fmt.Errorf("no case begins with any of %q; there are %s", names, strings.Join(known, ", "))
	}
	return chosen, nil
}
