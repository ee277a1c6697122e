package budget

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ReleaseProgram gives back the memory of the program's code and constants. What is used comes back by itself, out of the page cache, a few
// hundred faults in all; what only the start has needed (initial values of packages, flags, descriptors of messages), half of
// what is there by then, does not.
func ReleaseProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("release the program's memory: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("release the program's memory: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		from, to, ok := readOnlyMapping(line, program)
		if !ok {
			continue
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("release the program's memory: %w", errno)
		}
	}
	return nil
}

// readOnlyMapping reads a line of /proc/self/maps: where a part of the program is that nobody can have written to. Pages that were written
// to would be lost.
func readOnlyMapping(line, program string) (from, to uintptr, ok bool) {
	line = strings.TrimSuffix(line, "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 || !strings.HasSuffix(line, " "+program) || !strings.HasPrefix(fields[1], "r-") || !strings.HasSuffix(fields[1], "p") {
		return 0, 0, false
	}
	low, high, _ := strings.Cut(fields[0], "-")
	begin, errBegin := strconv.ParseUint(low, 16, 64)
	end, errEnd := strconv.ParseUint(high, 16, 64)
	if errBegin != nil || errEnd != nil || begin >= end {
		return 0, 0, false
	}
	return uintptr(begin), uintptr(end), true
}
