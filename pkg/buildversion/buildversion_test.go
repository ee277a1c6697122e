package buildversion

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: what the build has stamped counts first, then the module's version. Method: each of them, and neither.
func TestOf(t *testing.T) {
	installed := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}
	require.Equal(t, "v9", of("v9", installed))
	require.Equal(t, "v1.2.3", of("", installed))
	require.Equal(t, unknown, of("", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}))
	require.Equal(t, unknown, of("", &debug.BuildInfo{}))
	require.Equal(t, unknown, of("", nil))
	require.Equal(t, "v9", Of("v9"))
}
