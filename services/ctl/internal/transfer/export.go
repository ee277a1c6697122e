package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/progress"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// Pages grow and shrink so that each has about so many bytes.
const (
	pageKeysFirst = 100
	pageKeysMax   = 5000
	pageBytes     = 4 << 20
)

// partSuffix is what a file's name ends with until all is in it.
const partSuffix = ".part"

// Commands are the package's commands.
func Commands(s *shell.Shell) []*cobra.Command {
	return []*cobra.Command{newExport(s), newImport(s)}
}

func newExport(s *shell.Shell) *cobra.Command {
	var revision int64
	cmd := &cobra.Command{
		Use:   "export [options] <file> [prefix]",
		Short: "Write all keys, or those that begin with a prefix, to a file of JSON lines",
		Long: `Write all keys, or those that begin with a prefix, as they are at one revision, to a file of JSON lines, which "import" reads. "-" is the standard output.

Keys and values that are UTF-8 stand there as they are, others in base64. Until all is written the file's name ends in ".part"; if the command is broken off, the
same command goes on where it was, at the same revision.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: s.Run(func(call *shell.Call) error {
			e := &exporter{call: call, revision: revision, from: "\x00", pageKeys: pageKeysFirst}
			if len(call.Args) > 1 && call.Args[1] != "" {
				e.prefix = call.Args[1]
				e.from = e.prefix
			}
			return e.run(call.Args[0])
		}),
	}
	cmd.Flags().Int64Var(&revision, "rev", 0, "as of this revision (0: the current one)")
	return cmd
}

// exporter writes keys.
type exporter struct {
	call     *shell.Call
	client   *clientv3.Client
	prefix   string
	revision int64
	// from is the key to go on with.
	from string
	// begun says that the first line is written.
	begun    bool
	written  int64
	total    int64
	pageKeys int64
	out      *bufio.Writer
	bar      *progress.Bar
}

func (e *exporter) run(path string) (err error) {
	if e.client, err = e.call.Connect(); err != nil {
		return err
	}
	if path == "-" {
		e.out = bufio.NewWriter(e.call.Shell.Stdout)
		return e.export()
	}
	if _, err := os.Stat(path); err == nil {
		return exit.Withf(exit.IO, "%s is there already: name another file, or remove it", path)
	}
	file, err := os.OpenFile(path+partSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return exit.With(exit.IO, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := e.resume(file); err != nil {
		return err
	}
	e.out = bufio.NewWriterSize(file, 1<<20)
	if err := e.export(); err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), os.Rename(path+partSuffix, path)); err != nil {
		return exit.With(exit.IO, err)
	}
	fmt.Fprintf(e.call.Shell.Stderr, "Exported %d keys at revision %d to %s\n", e.written, e.revision, path)
	return nil
}

// resume takes up what a command that was broken off has left: whole lines of the same keys. What follows them is cut off.
func (e *exporter) resume(file *os.File) error {
	in := bufio.NewReaderSize(file, 1<<20)
	var whole int64
	for {
		raw, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return exit.With(exit.IO, err)
		}
		if err != nil {
			break // the rest is no whole line
		}
		l, err := parse(raw)
		if err != nil {
			return exit.Withf(exit.IO, "%s is not of an export that was broken off (%w): remove it", file.Name(), err)
		}
		switch {
		case l.Export > 0 && (string(l.Prefix) != e.prefix || e.revision > 0 && e.revision != l.Revision):
			return exit.Withf(exit.IO, "%s is of an export of prefix %q at revision %d that was broken off: finish that, or remove it", file.Name(), l.Prefix, l.Revision)
		case l.Export > 0:
			e.begun, e.revision, e.total = true, l.Revision, l.Keys
		case l.key() != "":
			e.from = l.key() + "\x00"
			e.written++
		}
		if l.End {
			e.written, e.from = l.Keys, ""
			break
		}
		whole += int64(len(raw))
	}
	if err := file.Truncate(whole); err != nil {
		return exit.With(exit.IO, err)
	}
	_, err := file.Seek(whole, io.SeekStart)
	if e.written > 0 {
		fmt.Fprintf(e.call.Shell.Stderr, "Going on after %d keys, at revision %d\n", e.written, e.revision)
	}
	return exit.With(exit.IO, err)
}

// export writes what is left. What was read is on its way to the file before more is read.
func (e *exporter) export() error {
	if !e.begun {
		if err := e.begin(); err != nil {
			return err
		}
	}
	e.bar = progress.Count(e.call.Shell.Stderr, int(e.total))
	defer e.bar.Finish()
	for e.from != "" {
		e.bar.Set(e.written, e.total)
		if err := e.page(); err != nil {
			_ = e.out.Flush() // what was read is not read again
			return err
		}
		if err := e.out.Flush(); err != nil {
			return exit.With(exit.IO, err)
		}
	}
	e.bar.Set(e.written, e.total)
	if err := e.write(&line{End: true, Keys: e.written}); err != nil {
		return err
	}
	return exit.With(exit.IO, e.out.Flush())
}

// begin writes the first line, with the revision that all keys are of.
func (e *exporter) begin() error {
	all, err := shell.Ask(e.call, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, e.from, clientv3.WithRange(e.end()), clientv3.WithCountOnly(), clientv3.WithRev(e.revision))
	})
	if err != nil {
		return err
	}
	if e.revision == 0 {
		e.revision = all.Header.GetRevision()
	}
	e.total = all.Count
	return e.write(&line{Export: format, Revision: e.revision, Prefix: []byte(e.prefix), Keys: e.total})
}

func (e *exporter) end() string {
	if e.prefix == "" {
		return "\x00"
	}
	return clientv3.GetPrefixRangeEnd(e.prefix)
}

// page writes some keys more, and sets where to go on; nowhere after the last.
func (e *exporter) page() error {
	page, err := shell.Ask(e.call, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, e.from, clientv3.WithRange(e.end()), clientv3.WithLimit(e.pageKeys), clientv3.WithRev(e.revision))
	})
	if errors.Is(err, rpctypes.ErrCompacted) {
		return exit.Withf(exit.Failure, "revision %d, which the file is of, was compacted meanwhile: remove the file's part and begin anew (%w)", e.revision, err)
	}
	if err != nil {
		return err
	}
	size := 0
	for _, kv := range page.Kvs {
		size += len(kv.GetKey()) + len(kv.GetValue())
		if err := e.write(lineOf(kv)); err != nil {
			return err
		}
		e.written++
		e.from = string(kv.GetKey()) + "\x00"
	}
	if !page.More {
		e.from = ""
	}
	switch {
	case size > pageBytes:
		e.pageKeys = max(1, e.pageKeys/2)
	case size < pageBytes/4:
		e.pageKeys = min(pageKeysMax, e.pageKeys*2)
	}
	return nil
}

func (e *exporter) write(l *line) error {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l); err != nil {
		return err
	}
	_, err := e.out.Write(encoded.Bytes())
	return exit.With(exit.IO, err)
}
