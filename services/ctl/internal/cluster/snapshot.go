package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/progress"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// partSuffix is the name's end of a snapshot that is not whole yet.
const partSuffix = ".part"

func newSnapshot(s *shell.Shell) *cobra.Command {
	example := fmt.Sprintf(`  # what the member at the default endpoint has, into a file
  %[1]s snapshot save /backup/store.db

  # of another member, with certificates, and with the day in the name
  %[1]s --endpoints=https://10.0.0.1:2379 --cacert=ca.crt --cert=client.crt --key=client.key snapshot save /backup/$(date +%%Y%%m%%d).db

  # as a user, and giving up after a minute
  %[1]s --user=root:secret --command-timeout=1m snapshot save /backup/store.db`, s.Name)
	cmd := &cobra.Command{
		Use:     "snapshot <subcommand>",
		Short:   "Save what a member has",
		Example: example,
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "save <filename>",
		Short:   "Save all that a member has into a file",
		Example: example,
		RunE:    s.Run(saveSnapshot),
	})
	return cmd
}

func saveSnapshot(call *shell.Call) error {
	if len(call.Args) != 1 {
		return exit.Withf(exit.Arguments, "snapshot save needs one argument, the file's name")
	}
	path := call.Args[0]
	config, err := call.Config()
	if err != nil {
		return err
	}
	if len(config.Endpoints) != 1 {
		return exit.Withf(exit.Interrupted, "snapshot must be requested to one selected node, not multiple %v: name one with --endpoints", config.Endpoints)
	}
	client, err := call.Dial(config)
	if err != nil {
		return exit.With(exit.Interrupted, err)
	}
	// How long a snapshot takes depends on how much there is: only who says so wants it bounded.
	ctx, cancel := client.Ctx(), context.CancelFunc(func() {})
	if call.Command.Flags().Changed("command-timeout") {
		ctx, cancel = call.Timeout()
	}
	defer cancel()
	version, err := writeSnapshot(ctx, client, path, progress.New(call.Shell.Stderr, "snapshot"))
	if err != nil {
		return exit.With(exit.Interrupted, call.Explain(err))
	}
	call.Printf("Snapshot saved at %s\n", path)
	if version != "" {
		call.Printf("Server version %s\n", version)
	}
	return nil
}

// writeSnapshot has the file appear under its name only when it is whole and on the disk. It returns the server's version, which servers
// before 3.6 do not tell.
func writeSnapshot(ctx context.Context, client *clientv3.Client, path string, bar *progress.Bar) (version string, err error) {
	part := path + partSuffix
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("could not open %s: %w", part, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	version, err = receiveSnapshot(ctx, client, file, bar)
	bar.Finish()
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	if err := os.Rename(part, path); err != nil {
		return "", err
	}
	return version, syncFolder(filepath.Dir(path))
}

// syncFolder has a file's new name survive a power failure.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// receiveSnapshot writes what the server sends to w: the data, and its SHA-256, which is compared.
func receiveSnapshot(ctx context.Context, client *clientv3.Client, w io.Writer, bar *progress.Bar) (version string, err error) {
	stream, err := clientv3.RetryMaintenanceClient(client, client.ActiveConnection()).Snapshot(ctx, &etcdserverpb.SnapshotRequest{})
	if err != nil {
		return "", clientv3.ContextError(ctx, err)
	}
	sum := sha256.New()
	var tail []byte // the last bytes that came: the sum, when all has come
	received := int64(0)
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", clientv3.ContextError(ctx, err)
		}
		version = piece.GetVersion()
		if _, err := w.Write(piece.GetBlob()); err != nil {
			return "", fmt.Errorf("could not write snapshot: %w", err)
		}
		received += int64(len(piece.GetBlob()))
		bar.Set(received, received+int64(piece.GetRemainingBytes()))
		tail = append(tail, piece.GetBlob()...)
		if whole := len(tail) - sha256.Size; whole > 0 {
			sum.Write(tail[:whole])
			tail = append(tail[:0], tail[whole:]...)
		}
	}
	if len(tail) < sha256.Size {
		return "", fmt.Errorf("sha256 checksum not found [bytes: %d]: the snapshot was cut off; try again", received)
	}
	if !bytes.Equal(sum.Sum(nil), tail) {
		return "", fmt.Errorf("the snapshot's SHA-256 is %x, and the server sent %x: it was damaged on its way; try again", sum.Sum(nil), tail)
	}
	return version, nil
}
