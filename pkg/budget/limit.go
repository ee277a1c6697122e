package budget

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// Limit is how much memory this process may take, math.MaxInt64 if nothing bounds it: what GOMEMLIMIT says, and where that is
// not set what the container or the service that it runs in may take, for which the kernel ends it.
func Limit() int64 {
	if set := debug.SetMemoryLimit(-1); set != math.MaxInt64 {
		return set
	}
	return groupLimit(os.DirFS("/"))
}

// Memory is how much there is for this process: its limit or, if that is more, what the machine has.
func Memory() int64 { return min(Limit(), machineMemory(os.DirFS("/"))) }

// machineMemory is math.MaxInt64 where no file tells.
func machineMemory(root fs.FS) int64 {
	content, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return math.MaxInt64
	}
	for line := range strings.Lines(string(content)) {
		// "MemTotal:       24689764 kB"
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "MemTotal:" {
			continue
		}
		if kibibytes, err := strconv.ParseInt(fields[1], 10, 64); err == nil && kibibytes > 0 && kibibytes <= math.MaxInt64>>10 {
			return kibibytes << 10
		}
	}
	return math.MaxInt64
}

// A control group's limit, and where its groups are, in both versions that Linux has.
const (
	groupsOf      = "proc/self/cgroup"
	groupsDir     = "sys/fs/cgroup"
	groupFile     = "memory.max"
	oldGroupsDir  = "sys/fs/cgroup/memory"
	oldGroupFile  = "memory.limit_in_bytes"
	oldController = "memory"
)

// groupLimit is the lowest of the limits of the control groups that this process is in.
func groupLimit(root fs.FS) int64 {
	listed, err := fs.ReadFile(root, groupsOf)
	if err != nil {
		return math.MaxInt64
	}
	least := int64(math.MaxInt64)
	for lines := bufio.NewScanner(bytes.NewReader(listed)); lines.Scan(); {
		// A line is "number:controllers:path"; version 2 has the number 0 and no controllers.
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch {
		case fields[0] == "0" && fields[1] == "":
			least = min(least, pathLimit(root, groupsDir, fields[2], groupFile))
		case strings.Contains(","+fields[1]+",", ","+oldController+","):
			least = min(least, pathLimit(root, oldGroupsDir, fields[2], oldGroupFile))
		}
	}
	return least
}

// pathLimit is the lowest limit of a group and those above it. In a container the path may be that of the host, where this process
// sees nothing, and its own group is the topmost.
func pathLimit(root fs.FS, dir, group, file string) int64 {
	least := int64(math.MaxInt64)
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		if content, err := fs.ReadFile(root, path.Join(dir, at, file)); err == nil {
			// "max", and in version 1 a number that no machine has, are no limit.
			if limit, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64); err == nil && limit > 0 {
				least = min(least, limit)
			}
		}
		if at == "/" {
			return least
		}
	}
}
