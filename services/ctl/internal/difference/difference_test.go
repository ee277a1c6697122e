package difference

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/ctl/internal/paint"
)

// Goal: what changed is told by lines, and never by bytes that a terminal takes for orders. Method: pairs of values, by table.
func TestDifferences(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"same", "same", ""},
		{"", "a", "@@ -0,0 +1 @@\n+a\n"},
		{"a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
		{"a", "a\n", "they differ in the newline at the end\n"},
		{"a", "\x1b[31m", "binary values differ: 1 bytes were, 5 bytes are\n"},
		{"a", "\xff", "binary values differ: 1 bytes were, 1 bytes are\n"},
		{"a", strings.Repeat("x", shownBytesMax), "large values differ: 1 bytes were, 1048576 bytes are\n"},
	} {
		require.Equal(t, c.want, Of([]byte(c.before), []byte(c.after), paint.Paint{}), "%q to %q", c.before, c.after)
	}
}
