package budget

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: memory of the program that is not used any more is given back, and the program goes on. Method: this test's own, all of which is read
// first; what of it is resident before and after.
func TestProgramThatIsNotUsedIsGivenBack(t *testing.T) {
	program, err := os.Readlink("/proc/self/exe")
	require.NoError(t, err)
	touch := func() (sum byte) {
		maps, err := os.ReadFile("/proc/self/smaps")
		require.NoError(t, err)
		memory, err := os.Open("/proc/self/mem")
		require.NoError(t, err)
		defer memory.Close()
		page := make([]byte, 1)
		for _, part := range untouchedMappings(string(maps), program) {
			for at := part.from; at < part.to; at += 4096 {
				_, err := memory.ReadAt(page, int64(at))
				require.NoError(t, err)
				sum += page[0]
			}
		}
		return sum
	}
	sum, before := touch(), residentFiles(t)
	require.NoError(t, ReleaseProgram())
	require.Less(t, residentFiles(t), before-1024, "less by a MB, of the six or so that a test is")
	require.Equal(t, sum, touch())
}

// residentFiles is how much memory this process has of files, in kB.
func residentFiles(t *testing.T) (size int) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(status), "RssFile:")
	_, err = fmt.Sscan(after, &size)
	require.NoError(t, err)
	return size
}

// Goal: what the loader has written to, in a program that was linked with C, is kept, though it is read-only by then. Method: mappings as the kernel
// writes them, of which pages are not the file's any more.
func TestWhatTheLoaderHasWrittenToIsKept(t *testing.T) {
	const program = "/bin/store"
	entry := func(at, mode string, anonymous, swapped int) string {
		return fmt.Sprintf("%s %s 00000000 fe:00 9986369                            %s\nSize:                  4 kB\nRss:                   4 kB\n"+
			"Anonymous:             %d kB\nSwap:                  %d kB\nVmFlags: rd mr mw me \n", at, mode, program, anonymous, swapped)
	}
	smaps := entry("00400000-00402000", "r--p", 0, 0) + entry("00402000-019fa000", "r-xp", 0, 0) + entry("03494000-03495000", "r--p", 4, 0) +
		entry("03495000-03496000", "r--p", 0, 4) + entry("03496000-0354e000", "rw-p", 8, 0) + entry("03550000-03551000", "r--p", 0, 0)
	require.Equal(t, []mapping{{0x400000, 0x402000}, {0x402000, 0x19fa000}, {0x3550000, 0x3551000}}, untouchedMappings(smaps, program))
}

// Goal: only what nobody can write to is given back. Method: lines as the kernel writes them.
func TestWhatMayHaveBeenWrittenToIsKept(t *testing.T) {
	const program = "/usr/bin/the store"
	for line, want := range map[string]bool{
		"00400000-01686000 r-xp 00000000 fe:00 11576129                           /usr/bin/the store\n":     true,
		"01686000-02c93000 r--p 01286000 fe:00 11576129                           /usr/bin/the store\n":     true,
		"02c93000-02d42000 rw-p 02893000 fe:00 11576129                           /usr/bin/the store\n":     false,
		"02c93000-02d42000 r--s 02893000 fe:00 11576129                           /usr/bin/the store\n":     false,
		"7f0000000000-7f0000001000 r-xp 00000000 fe:00 5                          /usr/lib/libc.so.6\n":     false,
		"7f0000000000-7f0000001000 r-xp 00000000 00:00 0                          [vdso]\n":                 false,
		"1c1974800000-1c1977c00000 rw-p 00000000 00:00 0 \n":                                                false,
		"00400000-01686000 r-xp 00000000 fe:00 11576129                           /usr/bin/the store.old\n": false,
	} {
		_, _, ok := readOnlyMapping(line, program)
		require.Equal(t, want, ok, line)
	}
}
