package commandline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: docs/flags.md has a row, with the reason, for each flag that has no effect or is refused, and for no other. Method: compare it with the
// table that the program warns by.
func TestFlagsWithoutEffectAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "flags.md"))
	require.NoError(t, err)
	rows := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `--") {
			rows++
		}
	}
	want := 0
	for _, row := range unsupportedTable {
		if notShown(row.name) {
			continue
		}
		want++
		effect := "nothing, with a warning"
		if row.harmless != nil {
			effect = "refused"
		}
		require.Regexp(t, "\n\\| `--"+row.name+"` \\| "+effect+".* \\| ", string(text))
		require.Contains(t, string(text), row.reason)
	}
	require.Equal(t, want, rows)
}
