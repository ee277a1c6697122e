package v2

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// Goal: a person can tell which form a command line is in, and flags with one dash are understood. Method: a table of command
// lines, with the variable API of each.
func TestForm(t *testing.T) {
	for _, c := range []struct {
		api, line string
		older     bool
		spelled   string // if it is other than the line
	}{
		{"", "set /k v", true, ""},
		{"", "--endpoints a:1,b:2 --debug ls", true, ""},
		{"", "-u ann:secret -o json mkdir /d", true, ""},
		{"", "help rmdir", true, ""},
		{"", "set --help", true, ""},
		{"3", "rm /k -recursive", true, "rm /k --recursive"},
		{"", "set /k v -ttl=30 -swap-with-value -- -ttl", true, "set /k v --ttl=30 --swap-with-value -- -ttl"},
		{"", "get /k", false, ""},
		{"", "get /k --sort-by=KEY --order=ASCEND", false, ""},
		{"", "get --prefix /k -w json", false, ""},
		{"", "get /k --quorum", true, ""},
		{"", "get -q /k", true, ""},
		{"", "-o extended get /k", true, ""},
		{"", "get -- --sort", false, ""},
		{"", "get - -- -q", false, ""},
		{"", "watch /k", false, ""},
		{"", "watch -i", false, ""},
		{"", "watch /k --prefix -- ls -r", false, ""},
		{"", "watch /d --recursive", true, ""},
		{"", "watch /d -rf", true, ""},
		{"", "watch /d -recursive", true, "watch /d --recursive"},
		{"", "watch /d --after-index=7", true, ""},
		{"", "member list", false, ""},
		{"2", "member list", true, ""},
		{"2", "get /k", true, ""},
		{"2", "--version", true, ""},
		{"", "put set ls", false, ""},
		{"", "", false, ""},
		{"", "--no-such-flag", false, ""},
	} {
		args := strings.Fields(c.line)
		root := NewRoot(&shell.Shell{})
		globals := pflag.NewFlagSet("v3", pflag.ContinueOnError)
		globals.StringP("write-out", "w", "", "")
		if got := Asked(args, c.api, root.PersistentFlags(), globals); got != c.older {
			t.Errorf("%q with API=%q is in the v2 form: %t, want %t", c.line, c.api, got, c.older)
		}
		want := c.spelled
		if want == "" {
			want = c.line
		}
		if got := strings.Join(Spell(root, args), " "); got != want {
			t.Errorf("%q is spelled %q, want %q", c.line, got, want)
		}
	}
}
