// Command bench measures Quorate against etcd on one machine: for each case it runs both in turn, A B A B, on fresh data directories, and
// prints the medians as a Markdown table. Only the ratios mean anything: client and server share the machine.
//
// It is run by make bench; -cases names cases or their beginnings, -scale multiplies every number of operations.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/quoratedb/quorate/tests/harness"
)

// system is one of the two that are compared.
type system struct {
	name, binary string
}

func main() {
	rounds := flag.Int("rounds", 3, "how often each system runs each case")
	names := flag.String("cases", "default", "cases to run, comma-separated beginnings of their names; default leaves out the long ones, all does not")
	scale := flag.Float64("scale", 1, "multiplies the number of operations of each case")
	etcd := flag.String("etcd", "", "etcd's binary, bin/peers/etcd if empty")
	quorate := flag.String("quorate", "", "our binary, bin/quorate if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, *rounds, *scale, *names, *etcd, *quorate); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func compare(ctx context.Context, rounds int, scale float64, names, etcd, quorate string) error {
	var err error
	if etcd == "" {
		if etcd, err = harness.Peer("etcd"); err != nil {
			return err
		}
	}
	if quorate == "" {
		if quorate, err = harness.Binary(); err != nil {
			return err
		}
	}
	selected, err := choose(names)
	if err != nil {
		return err
	}
	systems := [2]system{{"etcd", etcd}, {"quorate", quorate}}
	fmt.Print(heading)
	for _, c := range selected {
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

// on returns the system and the case for a column.
func (c benchCase) on(column int, s, ours system) (system, benchCase) {
	if c.before == nil {
		return s, c
	}
	if column == 0 {
		c.run = c.before
	}
	return ours, c
}

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
