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
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("release the program's memory: %w", err)
	}
	for _, part := range untouchedMappings(string(maps), program) {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, part.from, part.to-part.from, syscall.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("release the program's memory: %w", errno)
		}
	}
	return nil
}

type mapping struct{ from, to uintptr }

// untouchedMappings reads /proc/self/smaps: which read-only parts of the program nobody has written to. In a program that was linked with C, what
// the loader relocates is written at the start and made read-only then; the file has something else there.
func untouchedMappings(smaps, program string) (untouched []mapping) {
	candidate := false
	for line := range strings.Lines(smaps) {
		field, rest, _ := strings.Cut(line, " ")
		switch {
		case !strings.HasSuffix(field, ":"):
			var is mapping
			if is.from, is.to, candidate = readOnlyMapping(line, program); candidate {
				untouched = append(untouched, is)
			}
		case candidate && (field == "Anonymous:" || field == "Swap:") && strings.TrimSpace(rest) != "0 kB":
			untouched, candidate = untouched[:len(untouched)-1], false
		}
	}
	return untouched
}

// readOnlyMapping reads a line of /proc/self/maps: where a part of the program is that nobody writes to now.
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
