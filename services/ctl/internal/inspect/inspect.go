// Package inspect holds the commands that show what is below a prefix and what a key was. They ask quorate.v1.InspectService, which etcd has not.
package inspect

import (
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// The methods of the service.
const (
	childrenMethod = "/quorate.v1.InspectService/Children"
	historyMethod  = "/quorate.v1.InspectService/History"
)

// Commands are the package's commands.
func Commands(s *shell.Shell) []*cobra.Command {
	return []*cobra.Command{newTree(s), newHistory(s)}
}

// bytesOf is a number of bytes for people.
func bytesOf(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// keysOf is a number of keys for people.
func keysOf(n int64) string {
	if n == 1 {
		return "1 key"
	}
	return humanize.Comma(n) + " keys"
}

// moment is a time of the store's, which knows it to the second; "" where that is not known.
func moment(nanoseconds int64) string {
	if nanoseconds == 0 {
		return ""
	}
	return time.Unix(0, nanoseconds).Format(time.RFC3339)
}

// atLeast marks a number that may be larger.
func atLeast(text string, uncertain bool) string {
	if uncertain {
		return "≥ " + text
	}
	return text
}

// nameOf is a key as a line may show it: what would break the line is quoted.
func nameOf(key []byte) string {
	quoted := quote(key)
	if strings.ContainsRune(quoted, '\\') {
		return `"` + quoted + `"`
	}
	return quoted
}
