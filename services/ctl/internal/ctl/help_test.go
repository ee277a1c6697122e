package ctl

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/ctl/internal/helptext"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// Goal: help fits an ordinary terminal, and the list of commands two screens of it. Method: ask each command for its help, and count.
func TestHelpFitsATerminal(t *testing.T) {
	root, err := Root(&shell.Shell{Name: "quoratectl"})
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(help(t, root), "\n"), 80)
	each(root, func(command *cobra.Command) {
		for line := range strings.Lines(help(t, command)) {
			require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), helptext.Width, "%s: %s", command.CommandPath(), line)
		}
	})
}

func help(t *testing.T, command *cobra.Command) string {
	t.Helper()
	var out strings.Builder
	command.Root().SetOut(&out)
	require.NoError(t, command.Help())
	return out.String()
}

func each(command *cobra.Command, do func(*cobra.Command)) {
	do(command)
	for _, below := range command.Commands() {
		each(below, do)
	}
}
