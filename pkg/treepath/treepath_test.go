package treepath

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPaths holds which keys are paths, by examples on both sides of each rule.
func TestPaths(t *testing.T) {
	deepest := strings.Repeat("/a", DepthMax)
	longest := "/" + strings.Repeat("a", BytesMax-1)
	for _, key := range []string{"/", "/a", "/a/b", "/.a", "/...", "/a./b", deepest, longest} {
		require.True(t, Valid([]byte(key)), "%.40q", key)
	}
	for _, key := range []string{
		"", "a", "//", "/a/", "/a//b", "/.", "/..", "/a/./b", "/a/..", "/a/../b", deepest + "/a", deepest + "/", longest + "a",
	} {
		require.False(t, Valid([]byte(key)), "%.40q", key)
	}
	require.True(t, WellFormed([]byte(deepest+"/a")))
	require.False(t, Fits([]byte(deepest+"/a")))
}

// TestMisfits holds what a search may pass over: a beginning that no path has. What may begin a path stands alone.
func TestMisfits(t *testing.T) {
	deepest := strings.Repeat("/a", DepthMax)
	long := "/" + strings.Repeat("a", BytesMax)
	for key, shared := range map[string]string{
		"/x//1":          "/x//",
		"//":             "//",
		"/x/./1":         "/x/./",
		"/x/../1/2":      "/x/../",
		"/x/":            "/x/",
		"/x/.":           "/x/.",
		deepest + "/a":   deepest + "/",
		deepest + "/a/b": deepest + "/",
		long + "b":       long,
	} {
		require.Equal(t, shared, string(Misfits([]byte(key))), "%.40q", key)
	}
	for _, alone := range []string{"/x/", "/x/.", "/x/.."} {
		require.True(t, Valid([]byte(alone+"z")), "%q alone is no path: what begins with it may be one", alone)
	}
}
