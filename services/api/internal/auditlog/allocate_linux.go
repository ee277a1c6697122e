package auditlog

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate keeps room for bytes behind offset, without changing the file's size. A file system that cannot do so, some network ones, is
// taken at its word: there a full disk shows when a line is written, and in the answers from then on.
func allocate(f *os.File, offset, bytes int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, offset, bytes)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return nil
		default:
			return err
		}
	}
}
