package snapshotfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// checksum is the comparison of a file with what stands at its end, by a goroutine of its own: that takes as long as much of what is done with the
// file meanwhile.
type checksum struct {
	// known is closed when err says what is wrong, nil for nothing.
	known chan struct{}
	err   error
	stop  context.CancelFunc
}

// compare begins to compare the first size bytes with the checksum behind them, if they are not 0. The file is its own from here on.
func compare(ctx context.Context, f *os.File, size int64) *checksum {
	ctx, stop := context.WithCancel(ctx)
	c := &checksum{known: make(chan struct{}), stop: stop}
	go func() {
		defer close(c.known)
		defer func() { _ = f.Close() }()
		if size > 0 {
			c.err = checkSum(ctx, f, size)
		}
	}()
	return c
}

// wrong returns what is known to be wrong by now.
func (c *checksum) wrong() error {
	select {
	case <-c.known:
		return c.err
	default:
		return nil
	}
}

// end gives the comparison up, and waits for its end.
func (c *checksum) end() {
	c.stop()
	<-c.known
}

// checkSum compares the first size bytes with the checksum behind them.
func checkSum(ctx context.Context, f io.ReaderAt, size int64) error {
	sum := sha256.New()
	buf := make([]byte, 256<<10)
	for at := int64(0); at < size; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot be read: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("%w: it became shorter while it was read", ErrDamaged)
		}
		sum.Write(buf[:n])
		at += int64(n)
	}
	said := make([]byte, sha256.Size)
	if _, err := f.ReadAt(said, size); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if is := sum.Sum(nil); !bytes.Equal(is, said) {
		return fmt.Errorf("%w or cut off: its SHA-256 is %x, and at its end stands %x", ErrDamaged, is, said)
	}
	return nil
}
