// Command manual writes manual pages of the command-line tools into a directory, made of their commands. Packages hold them.
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/quoratedb/quorate/services/ctl/internal/ctl"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
	"github.com/quoratedb/quorate/services/ctl/internal/utl"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: manual DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	client, err := ctl.Root(&shell.Shell{Name: "quoratectl", Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		return err
	}
	tool, err := utl.Root(&utl.Tool{Name: "quorateutl", Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		return err
	}
	// A day of the build in each page would make each build another one.
	never := time.Unix(0, 0)
	for _, root := range []*cobra.Command{client, tool} {
		root.DisableAutoGenTag = true
		if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &never, Source: "Quorate", Manual: "Quorate"}, dir); err != nil {
			return fmt.Errorf("manual of %s: %w", root.Name(), err)
		}
	}
	return nil
}
