package yamldoc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a mistake is reported with its line, wherever it stands and whichever part of the library finds it.
// Method: documents of one mistake each, behind nothing and behind some lines that are right.
func TestMistakesHaveTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"[a\n":            "did not find expected ',' or ']'",
		"{a: b\n":         "did not find expected ',' or '}'",
		"\tb: c\n":        "found character that cannot start any token",
		"b: c: d\n":       "mapping values are not allowed in this context",
		"b: \"c\n":        "found unexpected end of stream",
		"b: &\n":          "did not find expected alphabetic or numeric character",
		"!x!y b\n":        "found undefined tag handle",
		"b: \"\\q\"\n":    "found unknown escape character",
		"b: [c, d}\n":     "did not find expected ',' or ']'",
		"b: *nothing\n":   "unknown anchor 'nothing' referenced",
		"b: \xff\n":       "UTF-8",
		"b: \x01\n":       "control characters are not allowed",
		"\"a\": b\n- c\n": "did not find expected key",
	} {
		for _, before := range []int{0, 1, 5} {
			_, err := Parse([]byte(strings.Repeat("# right\n", before) + text))
			require.ErrorContains(t, err, want, "%q", text)
			var line int
			_, failed := fmt.Sscanf(err.Error(), "line %d: ", &line)
			require.NoError(t, failed, "%q", err)
			last := before + strings.Count(text, "\n")
			require.True(t, before < line && line <= last, "%q behind %d lines is said to be in line %d: %v", text, before, line, err)
		}
	}
}
