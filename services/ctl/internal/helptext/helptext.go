// Package helptext lays out the help of the command-line tools. It knows no command and no flag.
package helptext

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Width is how many columns the help of a command takes, unless a word of it is longer.
const Width = 100

// LayOut has the help of a command, and of those below it, broken before Width. Templates of cobra's would do it, too, and have the linker keep every
// method there is: a fifth of the program.
func LayOut(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		out := cmd.OutOrStdout()
		var text strings.Builder
		cmd.SetOut(&text)
		help(cmd, args)
		cmd.SetOut(out)
		fmt.Fprint(out, broken(text.String()))
	})
}

// broken breaks lines that are too long. What follows begins below the line's last column of text.
func broken(text string) string {
	var all strings.Builder
	for line := range strings.Lines(text) {
		margin := strings.Repeat(" ", column(line))
		for len(strings.TrimSuffix(line, "\n")) > Width {
			at := strings.LastIndexByte(line[:Width+1], ' ')
			if at <= len(margin) {
				break
			}
			all.WriteString(strings.TrimRight(line[:at], " ") + "\n")
			line = margin + line[at+1:]
		}
		all.WriteString(line)
	}
	return all.String()
}

// column is where the text of a line begins: behind its last gap of two spaces or more in its first half.
func column(line string) int {
	at := len(line) - len(strings.TrimLeft(line, " "))
	if gap := strings.LastIndex(line[:min(len(line), Width/2)], "  "); gap >= at {
		at = gap + 2
	}
	return at
}
