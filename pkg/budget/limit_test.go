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

// Goal: what the machine has counts where nothing else bounds a process. Method: its file as Linux has it, and what is none.
func TestMemoryOfTheMachineIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want int64
	}{
		"a machine":  {"MemTotal:       24689764 kB\nMemFree:         1191936 kB\n", 24689764 << 10},
		"too much":   {"MemTotal: 9223372036854775807 kB\n", math.MaxInt64},
		"no number":  {"MemTotal: much kB\nMemTotal:\n", math.MaxInt64},
		"no machine": {"", math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, machineMemory(fstest.MapFS{"proc/meminfo": &fstest.MapFile{Data: []byte(c.file)}}))
		})
	}
	require.Equal(t, int64(math.MaxInt64), machineMemory(fstest.MapFS{}))
	require.LessOrEqual(t, Memory(), Limit())
}

// Goal: streams may take a quarter of the memory, whatever its size. Method: sizes of machines, and none known.
func TestPlacesGoByMemory(t *testing.T) {
	for memory, want := range map[int64]int64{64 << 20: placesMin, 4 << 30: 32768, 16 << 30: 131072, math.MaxInt64: placesMost} {
		require.Equal(t, want, places(memory))
	}
}
