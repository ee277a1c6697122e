// Command restore measures how long a restore of a snapshot takes, and how much memory: by quorateutl and by etcdutl in turn, each into an
// empty directory; for values of each given size. A snapshot is made once, by a server of ours that is filled, and kept.
//
//	make restore-bench KEYS=1000000 VALUE=64,256,1000 ORDER=random
//
// Only the ratios mean anything. The file is in the page cache for both, as far as that has room, and the memory that each takes is at hand.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options say what is restored, how often and by which programs.
type options struct {
	bin, peers, snapshots string
	rounds, touch         int
	values                string
	content               content
}

func main() {
	o := options{}
	flag.StringVar(&o.bin, "bin", "bin", "Folder with quorate and quorateutl.")
	flag.StringVar(&o.peers, "peers", "bin/peers", "Folder with etcdutl.")
	flag.StringVar(&o.snapshots, "snapshots", "bin/restore", "Folder in which snapshots are kept, and directories are made.")
	flag.IntVar(&o.rounds, "rounds", 3, "How often each program restores it.")
	flag.IntVar(&o.content.keys, "keys", 1_000_000, "How many keys the snapshot has.")
	flag.StringVar(&o.values, "value", "64,256,1000", "Bytes of a value, for a snapshot each.")
	flag.StringVar(&o.content.order, "order", orderRandom, "Order in which the keys were put: random or sorted.")
	flag.IntVar(&o.touch, "touch", 0, "Touch so many bytes of memory and end, as is done before each restore.")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "restore:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	if o.touch > 0 {
		return touch(o.touch)
	}
	if o.rounds < 1 {
		return fmt.Errorf("-rounds=%d: one is needed at least", o.rounds)
	}
	for i, size := range strings.Split(o.values, ",") {
		bytes, err := strconv.Atoi(size)
		if err != nil {
			return fmt.Errorf("-value=%s: numbers are wanted", o.values)
		}
		o.content.valueBytes = bytes
		if err := compare(ctx, o, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// compare has both restore a snapshot in turn, and prints lines of a table, which begins with the first one.
func compare(ctx context.Context, o *options, first bool) error {
	if err := o.content.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.snapshots, 0o755); err != nil {
		return err
	}
	snapshot := filepath.Join(o.snapshots, o.content.name())
	if err := o.content.save(ctx, filepath.Join(o.bin, "quorate"), snapshot); err != nil {
		return fmt.Errorf("make %s: %w", snapshot, err)
	}
	info, err := os.Stat(snapshot)
	if err != nil {
		return err
	}
	programs := []string{filepath.Join(o.peers, "etcdutl"), filepath.Join(o.bin, "quorateutl")}
	costs := make([][]cost, len(programs))
	for round := range o.rounds {
		for i, program := range programs {
			if err := fetchMemory(ctx, info.Size()); err != nil {
				return fmt.Errorf("fetch memory: %w", err)
			}
			c, err := restore(ctx, program, snapshot, filepath.Join(o.snapshots, "restored"))
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%d bytes\tround %d\t%s\t%s\n", o.content.valueBytes, round+1, filepath.Base(program), c)
			costs[i] = append(costs[i], c)
		}
	}
	if first {
		fmt.Printf("Snapshots of %d keys, put in %s order; medians of %d.\n\n", o.content.keys, o.content.order, o.rounds)
		fmt.Print("| values, bytes | file, MB | | etcdutl | quorateutl | ratio |\n|---|---|---|---|---|---|\n")
	}
	for _, line := range []struct {
		name string
		of   func(cost) float64
	}{
		{"time, s", func(c cost) float64 { return c.took.Seconds() }},
		{"processor time, s", func(c cost) float64 { return c.cpu.Seconds() }},
		{"peak memory, MB", func(c cost) float64 { return float64(c.memory) / (1 << 20) }},
		{"directory, MB", func(c cost) float64 { return float64(c.directory) / (1 << 20) }},
	} {
		theirs, ours := median(costs[0], line.of), median(costs[1], line.of)
		fmt.Printf("| %d | %d | %s | %.2f | %.2f | %.2f |\n", o.content.valueBytes, info.Size()>>20, line.name, theirs, ours, ours/theirs)
	}
	return nil
}

// cost is what one restore took. Memory and directory are in bytes.
type cost struct {
	took, cpu         time.Duration
	memory, directory int64
}

func (c cost) String() string {
	return fmt.Sprintf("%.2f s, %.2f s of processors, at most %d MB of memory, %d MB on disk", c.took.Seconds(), c.cpu.Seconds(), c.memory>>20, c.directory>>20)
}

// restore has a program restore the snapshot into a directory, which it removes afterwards.
func restore(ctx context.Context, program, snapshot, dir string) (c cost, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	syscall.Sync() // what was written before is not written in anybody's time
	cmd := exec.CommandContext(ctx, program, "snapshot", "restore", snapshot, "--data-dir", dir)
	begin := time.Now()
	said, err := cmd.CombinedOutput()
	c.took = time.Since(begin)
	if err != nil {
		return c, fmt.Errorf("%s: %w\n%s", program, err, said)
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	c.memory = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	c.directory, err = onDisk(dir)
	return c, err
}

func onDisk(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

func median(costs []cost, of func(cost) float64) float64 {
	sorted := slices.SortedFunc(slices.Values(costs), func(a, b cost) int { return cmp.Compare(of(a), of(b)) })
	return of(sorted[len(sorted)/2])
}
