package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
)

// original is a member's data directory that is only read. What reads it has it to itself until Close.
type original struct {
	dataDir string
	lock    *pebble.Lock // nil where nobody can write
}

// openOriginal takes a data directory that no member uses, and that none may use until Close.
func openOriginal(dataDir string) (*original, error) {
	log := filepath.Join(dataDir, "member", datadir.LogName)
	if _, err := os.Stat(log); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s %w: there is no %s", dataDir, ErrNoData, log)
	} else if err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory(log, vfs.Default)
	switch {
	case errors.Is(err, syscall.EROFS):
		return &original{dataDir: dataDir}, nil
	case errors.Is(err, syscall.EAGAIN), err != nil && strings.Contains(err.Error(), "lock held"): // the latter by this very process
		return nil, fmt.Errorf("%s %w", dataDir, ErrInUse)
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", log, err)
	}
	return &original{dataDir, lock}, nil
}

// Close lets members have it again.
func (o *original) Close() error {
	if o.lock == nil {
		return nil
	}
	return o.lock.Close()
}

// copyTo makes a copy below another directory, for whoever opens it as a member does, which writes. Tables, which nobody changes, are links to
// the same files where they can be.
func (o *original) copyTo(ctx context.Context, to string) error {
	from := filepath.Join(o.dataDir, "member")
	names, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name.Name() != datadir.LogName && name.Name() != datadir.StateName && !strings.HasPrefix(name.Name(), datadir.ReceivedPrefix) {
			continue // copies of the state on their way to somebody, and files of snapshots
		}
		if err := copyStore(ctx, filepath.Join(from, name.Name()), filepath.Join(to, "member", name.Name())); err != nil {
			return fmt.Errorf("copy %s: %w", filepath.Join(from, name.Name()), err)
		}
	}
	return nil
}

// copyStore copies the files of a store.
func copyStore(ctx context.Context, from, to string) error {
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, file := range files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !file.Type().IsRegular() || file.Name() == "LOCK" {
			continue
		}
		source, target := filepath.Join(from, file.Name()), filepath.Join(to, file.Name())
		info, err := file.Info()
		if err != nil {
			return err
		}
		// Whoever opens the copy would narrow who may read a file, and with it the original.
		if isFinal(file.Name()) && !owneronly.Wider(info) && os.Link(source, target) == nil {
			continue
		}
		if err := copyFile(source, target); err != nil {
			return err
		}
	}
	return nil
}

// isFinal tells whether a file of a store is never written to again.
func isFinal(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
