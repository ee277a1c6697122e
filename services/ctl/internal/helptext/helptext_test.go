package helptext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: long lines are broken, and go on below their text. Method: a flag's, a list's, one that fits and one that cannot be broken.
func TestBroken(t *testing.T) {
	long := strings.Repeat("word ", 30)
	lines := strings.Split(broken("      --flag string   "+long+"\n  - "+long+"\nshort  line\n"+strings.Repeat("x", 120)+"\n"), "\n")
	require.Regexp(t, `^      --flag string   word`, lines[0])
	require.Regexp(t, `^                      word`, lines[1])
	require.Regexp(t, `^  - word`, lines[2])
	require.Regexp(t, `^  word`, lines[3])
	require.Equal(t, "short  line", lines[4])
	require.Equal(t, strings.Repeat("x", 120), lines[5])
	for _, line := range lines[:4] {
		require.LessOrEqual(t, len(line), Width)
	}
}
