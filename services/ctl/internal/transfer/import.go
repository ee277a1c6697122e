package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/progress"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// Keys are written this many at a time, and so many bytes of them: servers take 128 operations and 1.5 MiB by default.
const (
	batchKeysMax  = 100
	batchBytesMax = 1 << 20
)

// What becomes of a key that is there already, with another value.
const (
	existingFail      = "fail"
	existingSkip      = "skip"
	existingOverwrite = "overwrite"
)

func newImport(s *shell.Shell) *cobra.Command {
	i := &importer{}
	cmd := &cobra.Command{
		Use:   "import [options] <file>",
		Short: "Write the keys of a file that export made",
		Long: `Write the keys of a file that "export" made; "-" is the standard input. Revisions begin anew, and keys that were bound to a lease are bound to none.

What is there already with the same value is left alone, so a command that was broken off is simply given again. --existing says what becomes of keys that are there with another value: "fail"
stops at the first, "skip" leaves it, "overwrite" writes the file's.`,
		Args: cobra.ExactArgs(1),
		RunE: s.Run(func(call *shell.Call) error {
			i.call = call
			return i.run(call.Args[0])
		}),
	}
	cmd.Flags().StringVar(&i.existing, "existing", existingFail, "what becomes of keys that are there with another value: fail, skip or overwrite")
	if err := cmd.RegisterFlagCompletionFunc("existing", cobra.FixedCompletions([]string{existingFail, existingSkip, existingOverwrite}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not there: an error in this program
	}
	return cmd
}

// importer writes keys of a file.
type importer struct {
	call     *shell.Call
	existing string

	batch []*line
	bytes int

	written, same, skipped, leased int64
}

func (i *importer) run(path string) (err error) {
	switch i.existing {
	case existingFail, existingSkip, existingOverwrite:
	default:
		return exit.Withf(exit.Feature, "--existing is %q: it takes fail, skip or overwrite", i.existing)
	}
	in, size := i.call.Shell.Stdin, int64(0)
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return exit.With(exit.IO, err)
		}
		defer file.Close()
		if info, err := file.Stat(); err == nil {
			size = info.Size()
		}
		in = file
	}
	if _, err := i.call.Connect(); err != nil {
		return err
	}
	bar := progress.New(i.call.Shell.Stderr, "import")
	err = i.read(bufio.NewReaderSize(in, 1<<20), func(at int64) { bar.Set(at, max(size, at)) })
	bar.Finish()
	fmt.Fprintf(i.call.Shell.Stderr, "%d keys written, %d were there as they are", i.written, i.same)
	if i.skipped > 0 {
		fmt.Fprintf(i.call.Shell.Stderr, ", %d with another value were skipped", i.skipped)
	}
	if i.leased > 0 {
		fmt.Fprintf(i.call.Shell.Stderr, "; %d had a lease and have none now", i.leased)
	}
	fmt.Fprintln(i.call.Shell.Stderr)
	return err
}

// read takes line by line, and tells how far it is, in bytes.
func (i *importer) read(in *bufio.Reader, told func(at int64)) error {
	var at int64
	for number := 1; ; number++ {
		raw, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return exit.With(exit.IO, err)
		}
		if len(raw) == 0 {
			if err := i.flush(); err != nil {
				return err
			}
			return exit.Withf(exit.Input, "the file has no last line: it is not whole, and what there was of it was imported")
		}
		at += int64(len(raw))
		l, err := parse(raw)
		if err != nil {
			return exit.Withf(exit.Input, "line %d: %w", number, err)
		}
		switch {
		case l.End:
			return i.flush()
		case l.Export > 0:
			continue
		}
		if err := i.add(l); err != nil {
			return err
		}
		told(at)
	}
}

func (i *importer) add(l *line) error {
	size := len(l.key()) + len(l.value())
	if len(i.batch) == batchKeysMax || len(i.batch) > 0 && i.bytes+size > batchBytesMax {
		if err := i.flush(); err != nil {
			return err
		}
	}
	i.batch = append(i.batch, l)
	i.bytes += size
	return nil
}

// flush writes the batch if all of its keys are new, in one transaction; else it looks at them one by one.
func (i *importer) flush() error {
	batch := i.batch
	i.batch, i.bytes = nil, 0
	if len(batch) == 0 {
		return nil
	}
	var absent []clientv3.Cmp
	var puts []clientv3.Op
	for _, l := range batch {
		absent = append(absent, clientv3.Compare(clientv3.CreateRevision(l.key()), "=", 0))
		puts = append(puts, clientv3.OpPut(l.key(), l.value()))
	}
	done, err := shell.Ask(i.call, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
		return client.Txn(ctx).If(absent...).Then(puts...).Commit()
	})
	if err != nil {
		return err
	}
	if done.Succeeded {
		for _, l := range batch {
			i.count(l)
		}
		return nil
	}
	for _, l := range batch {
		if err := i.one(l); err != nil {
			return err
		}
	}
	return nil
}

func (i *importer) count(l *line) {
	i.written++
	if l.Lease != 0 {
		i.leased++
	}
}

// one writes a key that may be there. Nobody else's change between the look and the write is overwritten.
func (i *importer) one(l *line) error {
	for {
		read, err := shell.Ask(i.call, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
			return client.Get(ctx, l.key())
		})
		if err != nil {
			return err
		}
		var revision int64
		if len(read.Kvs) > 0 {
			revision = read.Kvs[0].GetModRevision()
			switch {
			case string(read.Kvs[0].GetValue()) == l.value():
				i.same++
				return nil
			case i.existing == existingSkip:
				i.skipped++
				return nil
			case i.existing == existingFail:
				return exit.Withf(exit.Failure, "%q is there with another value: --existing=skip leaves such keys, --existing=overwrite writes the file's", l.key())
			}
		}
		done, err := shell.Ask(i.call, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
			return client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(l.key()), "=", revision)).Then(clientv3.OpPut(l.key(), l.value())).Commit()
		})
		if err != nil {
			return err
		}
		if done.Succeeded {
			i.count(l)
			return nil
		}
	}
}
