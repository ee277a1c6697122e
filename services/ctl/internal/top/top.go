// Package top holds the command that shows, on one screen and live, what a cluster does.
package top

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// flags say what is shown, and how often.
type flags struct {
	interval  time.Duration
	prefix    string
	separator string
	depth     int
	once      bool
}

// New is the command top.
func New(s *shell.Shell) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "top [options]",
		Short: "Show live what the cluster does: members, lag, leases, watches, and writes by prefix",
		Long: `Show live, on one screen, what the cluster does: members with their roles, lag and size, leases, watches, and which prefixes are written to how often. Ctrl-C ends it.

Writes are counted by a watch over --prefix, which costs the server a copy of every change there. How many watches there are comes from the members' /metrics. Without a terminal, or with
--once, it watches for one interval and prints what it saw.`,
		Args: cobra.NoArgs,
		RunE: s.Run(f.run),
	}
	set := cmd.Flags()
	set.DurationVar(&f.interval, "interval", 2*time.Second, "look this often")
	set.StringVar(&f.prefix, "prefix", "", "count writes to keys that begin with this (by default all)")
	set.StringVar(&f.separator, "separator", "/", "what keys are cut at")
	set.IntVar(&f.depth, "depth", 1, "tell writes apart by this many parts of keys")
	set.BoolVar(&f.once, "once", false, "print one screen and end")
	return cmd
}

func (f *flags) run(call *shell.Call) error {
	if f.interval < 100*time.Millisecond {
		return exit.Withf(exit.Arguments, "--interval is %v: it is 100ms at the least", f.interval)
	}
	if f.depth < 1 {
		return exit.Withf(exit.Arguments, "--depth is %d: it is 1 at the least", f.depth)
	}
	config, err := call.Config()
	if err != nil {
		return err
	}
	client, err := call.Connect()
	if err != nil {
		return err
	}
	ctx, stop := call.Interrupted()
	defer stop()
	counted := newWrites(f.prefix, f.separator, f.depth)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		counted.follow(ctx, client)
	}()
	// The watch ends with its context, or with its client.
	defer func() { stop(); <-watching }()
	source := &source{call: call, config: config, client: client}
	defer source.close()

	fd, live := terminal(call)
	live = live && !f.once && call.Format() == output.Simple
	if live {
		call.Printf("\x1b[?1049h\x1b[?25l") // a screen of its own, without a cursor
		defer call.Printf("\x1b[?25h\x1b[?1049l")
	}
	began := time.Now()
	for {
		if !await(ctx, f.interval) {
			if live {
				return nil
			}
			return exit.Silently(exit.Interrupted)
		}
		now := time.Now()
		shown := source.look(ctx)
		shown.Writes, shown.WritesErr = counted.take(now.Sub(began))
		began = now
		if !live {
			if err := call.Print(output.Answer{JSON: shown, Simple: func(t *output.Text) { t.Printf("%s", shown.text(call.Paint(), 0)) }}); err != nil {
				return err
			}
			if shown.failed() {
				return exit.Silently(exit.Failure)
			}
			return nil
		}
		width, height, err := term.GetSize(fd)
		if err != nil {
			width, height = 80, 24
		}
		call.Printf("\x1b[H%s\x1b[J", fit(shown.text(call.Paint(), height-1), width))
	}
}

// terminal is the standard output's, if it is one.
func terminal(call *shell.Call) (fd int, is bool) {
	file, ok := call.Shell.Stdout.(*os.File)
	if !ok {
		return 0, false
	}
	return int(file.Fd()), term.IsTerminal(int(file.Fd()))
}

// fit cuts lines at the screen's width, and has each wipe what was there. Colours take no room.
func fit(text string, width int) string {
	var all strings.Builder
	for line := range strings.Lines(text) {
		all.WriteString(cut(strings.TrimSuffix(line, "\n"), width) + "\x1b[K\r\n")
	}
	return all.String()
}

func cut(line string, width int) string {
	var kept strings.Builder
	escaped, n := false, 0
	for _, r := range line {
		switch {
		case r == '\x1b':
			escaped = true
		case escaped:
			escaped = r != 'm'
		case n == width:
			return kept.String() + "\x1b[0m"
		default:
			n++
		}
		kept.WriteRune(r)
	}
	return kept.String()
}

// await waits, and tells whether ctx still goes on.
func await(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
