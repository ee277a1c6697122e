package top

import (
	"strings"
	"testing"
	"time"

	"github.com/quoratedb/quorate/services/ctl/internal/paint"
	"github.com/stretchr/testify/require"
)

// Goal: writes are told apart by the parts of keys that were asked for. Method: keys by table, and counts of them.
func TestPartsOfKeys(t *testing.T) {
	for _, c := range []struct {
		prefix, separator string
		depth             int
		key, want         string
	}{
		{"", "/", 1, "/app/a/b", "/app/"},
		{"", "/", 2, "/app/a/b", "/app/a/"},
		{"", "/", 2, "/app/a", "/app/"},
		{"", "/", 1, "plain", ""},
		{"/app/", "/", 1, "/app/a/b", "/app/a/"},
		{"/app/", "/", 1, "/app/a", "/app/"},
		{"", "", 1, "/a", ""},
		{"", ".", 1, "a.b.c", "a."},
	} {
		require.Equal(t, c.want, newWrites(c.prefix, c.separator, c.depth).part([]byte(c.key)), c)
	}
	w := newWrites("", "/", 1)
	w.mu.counts["/b/"], w.mu.counts["/a/"], w.mu.counts["/c/"] = 10, 30, 10
	rates, err := w.take(2 * time.Second)
	require.NoError(t, err)
	require.Equal(t, []rate{{"/a/", 15}, {"/b/", 5}, {"/c/", 5}}, rates)
	rates, _ = w.take(time.Second)
	require.Empty(t, rates)
}

// Goal: a screen is no wider and no longer than there is room, and colours take none. Method: lines that are cut, and a view in few lines.
func TestScreenFits(t *testing.T) {
	require.Equal(t, "\x1b[31mab\x1b[0mc\x1b[0m", cut("\x1b[31mab\x1b[0mcd", 3))
	require.Equal(t, "abc", cut("abc", 3))
	v := &view{Leases: 3, Members: []*memberView{{ID: "1", Name: "m", Role: "leader", RaftIndex: 9}, {ID: "2", RaftIndex: 4, Watches: -1}}}
	v.settle()
	require.Equal(t, uint64(5), v.Members[1].Lag)
	text := v.text(paint.Paint{}, 0)
	require.Contains(t, text, "leases 3")
	require.Len(t, strings.Split(strings.TrimSuffix(v.text(paint.Paint{}, 3), "\n"), "\n"), 3)
}
