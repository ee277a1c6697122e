package natspublisher

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: the keys that a subscription may hear of are told, and never too few. Method: a table, and the way there and back for keys with
// every kind of byte.
func TestRanges(t *testing.T) {
	const all, none = "\x00..\x00", ""
	for subject, want := range map[string]string{
		"quorate.kv.a.b":    "a/b.. /a/b..",
		"quorate.kv.a.>":    "a/..a0 /a/../a0",
		"quorate.kv.a.b.*":  "a/b/..a/b0 /a/b/../a/b0",
		"quorate.kv.a.*.c":  "a/..a0 /a/../a0",
		"quorate.kv.*":      all,
		"quorate.kv.>":      all,
		"quorate.>":         all,
		"quorate.*":         all, // the long ones
		"quorate.*.a":       all,
		"quorate.long":      all,
		"*.kv.a":            all,
		">":                 all,
		"quorate.position":  none,
		"quorate.watch.>":   none,
		"other.>":           none,
		"_INBOX.x":          none,
		"quorate.kv.%.b.%":  "/b/.. //b/..",
		"quorate.kv.a%2Eb%": "a.b%.. /a.b%..",
	} {
		var got []string
		for _, of := range Ranges(subject) {
			got = append(got, string(of[0])+".."+string(of[1]))
		}
		require.Equal(t, want, strings.Join(got, " "), subject)
	}
	for _, key := range []string{"a", "a/b", "a//b/", "\xff\x00/ %.*>", ""} {
		require.Equal(t, key, string(Ranges(Subject([]byte(key)))[0][0]), "%q", key)
	}
}
