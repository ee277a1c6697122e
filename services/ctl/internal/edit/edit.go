// Package edit holds the command that opens a key's value in an editor.
package edit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/difference"
	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// New is the command edit.
func New(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "edit <key>",
		Short: "Change the value of a key in an editor, unless somebody else has changed it meanwhile",
		Long: `Change the value of a key in an editor: that of VISUAL or EDITOR, else vi. A key that is not there is created.

What the editor saved is written only if the key still is what the editor began with; its lease stays. If somebody else has changed it, both changes are shown, nothing
is written, and what the editor saved stays in a file. An editor that ends with an error, or changes nothing, writes nothing.

A newline that the editor puts at the end of a value that had none is left out.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.CompleteKeys,
		RunE:              s.Run(run),
	}
}

// version is what a key was when it was read.
type version struct {
	value []byte
	// revision is the key's mod revision, 0 where it did not exist.
	revision int64
}

func versionOf(kvs []*mvccpb.KeyValue) version {
	if len(kvs) == 0 {
		return version{}
	}
	return version{kvs[0].GetValue(), kvs[0].GetModRevision()}
}

func run(call *shell.Call) error {
	key := call.Args[0]
	read, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, key)
	})
	if err != nil {
		return err
	}
	base := versionOf(read.Kvs)
	if !difference.IsText(base.value) {
		return exit.Withf(exit.Failure, "the value of %q is binary, and an editor might spoil it: \"get --print-value-only\" and \"put\" take it as it is", key)
	}
	file, err := store(key, base.value)
	if err != nil {
		return exit.With(exit.IO, err)
	}
	mine, err := edited(call, file)
	if err != nil {
		return exit.Withf(exit.Failure, "%w: nothing was written, and what there is to save is in %s", err, file)
	}
	mine = likeBefore(base.value, mine)
	if string(mine) == string(base.value) && base.revision != 0 {
		call.Println("Nothing was changed")
		return remove(file)
	}
	saved, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
		return client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", base.revision)).
			Then(put(key, string(mine), base)).Else(clientv3.OpGet(key)).Commit()
	})
	if err != nil {
		return exit.Withf(exit.Code(err), "%w: what there is to save is in %s", err, file)
	}
	if !saved.Succeeded {
		conflict(call, key, base, versionOf(saved.Responses[0].GetResponseRange().GetKvs()), mine, file)
		return exit.Silently(exit.Failure)
	}
	call.Printf("%s", difference.Of(base.value, mine, call.Paint()))
	call.Printf("Written at revision %d\n", saved.Header.GetRevision())
	return remove(file)
}

// put leaves the key with the lease that it has.
func put(key, value string, base version) clientv3.Op {
	if base.revision == 0 {
		return clientv3.OpPut(key, value)
	}
	return clientv3.OpPut(key, value, clientv3.WithIgnoreLease())
}

// unfit are characters that are no good in a file's name.
var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// store makes a file that only its owner may read, whose name ends as the key does, so that the editor knows what it is.
func store(key string, value []byte) (path string, err error) {
	name := unfit.ReplaceAllString(filepath.Base(key), "_")
	file, err := os.CreateTemp("", "quoratectl-*-"+name[max(0, len(name)-100):])
	if err != nil {
		return "", err
	}
	_, err = file.Write(value)
	return file.Name(), errors.Join(err, file.Close())
}

func remove(file string) error { return exit.With(exit.IO, os.Remove(file)) }

// edited runs the editor and returns what it saved. The editor may have arguments, as a shell takes them.
func edited(call *shell.Call, file string) ([]byte, error) {
	editor := "vi"
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if value := os.Getenv(name); value != "" {
			editor = value
			break
		}
	}
	cmd := exec.Command("sh", "-c", editor+` "$1"`, "sh", file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = call.Shell.Stdin, call.Shell.Stdout, call.Shell.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("the editor, %q, has failed: %w (EDITOR names another)", editor, err)
	}
	return os.ReadFile(file)
}

// likeBefore takes the newline off that editors put at the end, where there was none.
func likeBefore(before, after []byte) []byte {
	if strings.HasSuffix(string(before), "\n") {
		return after
	}
	return []byte(strings.TrimSuffix(string(after), "\n"))
}

// conflict shows what both have made of the value that the editor began with.
func conflict(call *shell.Call, key string, base, theirs version, mine []byte, file string) {
	p, w := call.Paint(), call.Shell.Stderr
	fmt.Fprintf(w, "Error: %q was changed by somebody else while it was edited: nothing was written\n", key)
	fmt.Fprintf(w, "\n%s\n", p.Bold(fmt.Sprintf("What the editor began with (revision %d)", base.revision)))
	fmt.Fprint(w, indented(base.value))
	if theirs.revision == 0 {
		fmt.Fprintf(w, "\n%s\n", p.Bold("Theirs: the key was deleted"))
	} else {
		fmt.Fprintf(w, "\n%s\n%s", p.Bold(fmt.Sprintf("Theirs (revision %d)", theirs.revision)), difference.Of(base.value, theirs.value, p))
	}
	fmt.Fprintf(w, "\n%s\n%s", p.Bold("Mine"), difference.Of(base.value, mine, p))
	fmt.Fprintf(w, "\nMine is in %s. Run edit again and bring both together, or overwrite theirs:\n  %s put %q < %s\n", file, call.Shell.Name, key, file)
}

// shownLinesMax is how much of the value that both began with is shown.
const shownLinesMax = 20

func indented(value []byte) string {
	lines := strings.SplitAfter(strings.TrimSuffix(string(value), "\n")+"\n", "\n")
	lines = lines[:len(lines)-1]
	var text strings.Builder
	for i, line := range lines {
		if i == shownLinesMax {
			fmt.Fprintf(&text, "  ... %d more lines\n", len(lines)-i)
			break
		}
		text.WriteString("  " + line)
	}
	return text.String()
}
