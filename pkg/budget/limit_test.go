package budget

import (
	"math"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// Goal: a process knows what the container that it runs in may take, of which nobody has told it, in both versions of control
// groups, seen from the host and from inside. Method: files as Linux has them.
func TestLimitOfTheContainerIsKnown(t *testing.T) {
	const none = int64(math.MaxInt64)
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no groups":       {nil, none},
		"version 2":       {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "268435456\n"}, 256 << 20},
		"no limit":        {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, none},
		"the slice's":     {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1024\n"}, 1024},
		"in a container":  {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2048\n"}, 2048},
		"version 1":       {map[string]string{"proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/x\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "4096\n"}, 4096},
		"version 1, none": {map[string]string{"proc/self/cgroup": "4:cpu,memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 9223372036854771712},
		"nonsense":        {map[string]string{"proc/self/cgroup": "::\nx\n0::/../..\n", "sys/fs/cgroup/memory.max": "-7\n"}, none},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for path, content := range c.files {
				root[path] = &fstest.MapFile{Data: []byte(content)}
			}
			require.Equal(t, c.want, groupLimit(root))
		})
	}
}
