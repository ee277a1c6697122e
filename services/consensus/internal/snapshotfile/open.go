package snapshotfile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrForeign is returned by Open when a file is no bbolt database, or not one of etcd's.
	ErrForeign = errors.New("is no snapshot")
	// ErrNoChecksum is returned by Open when no checksum follows the database.
	ErrNoChecksum = errors.New("has no checksum at its end")
	// ErrDamaged is returned when a file is not what was written: its checksum, its structure or a record is wrong.
	ErrDamaged = errors.New("is damaged")
)

const (
	// sectorBytes divides the size of every database, and is no divisor of that of one with a checksum behind it.
	sectorBytes = 512
	// A page of bbolt's has a header, and one of the first two is then a magic number, version, page size, ... and, last but a
	// transaction id and a checksum, the number of pages.
	pageHeaderBytes = 16
	metaBytes       = 64
	metaMagic       = 0xED0CDAED
)

// OpenConfig says which file is read, and how.
type OpenConfig struct {
	Path string
	// SkipChecksum takes a file for what it is: a copy of an etcd's database has no checksum.
	SkipChecksum bool
	// Timeout is how long Open waits for a program that has the file open for writing, 0 for ever.
	Timeout time.Duration
	// Progress, unless nil, is told again and again by Status and HashKV how many bytes were read, and about of how many.
	Progress func(done, total int64)
}

// Reader reads a snapshot. It is for one goroutine, and Close must end it. Another one compares the file with its checksum meanwhile: what is read
// counts when Read, Status or HashKV has returned.
type Reader struct {
	db   *bbolt.DB
	path string
	sum  *checksum
	told func(done, total int64) // nil for nobody
}

// Open checks a file and opens it: ErrForeign, ErrNoChecksum, ErrDamaged, or an error of the file system. It never writes.
func Open(ctx context.Context, cfg OpenConfig) (*Reader, error) {
	sum, err := check(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("%s %w", cfg.Path, err)
	}
	r := &Reader{path: cfg.Path, sum: sum, told: cfg.Progress}
	if err := r.open(cfg); err != nil {
		return nil, errors.Join(r.judge(err), r.Close())
	}
	return r, nil
}

func (r *Reader) open(cfg OpenConfig) (err error) {
	r.db, err = bbolt.Open(cfg.Path, 0o400, &bbolt.Options{ReadOnly: true, Timeout: cfg.Timeout, PreLoadFreelist: false})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("%s is open in another program, which may be a running etcd: stop it, or take a snapshot of it", cfg.Path)
	case err != nil:
		return fmt.Errorf("%s %w: %w", cfg.Path, ErrDamaged, err)
	}
	return r.view(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(bucketKey)) == nil || tx.Bucket([]byte(bucketMeta)) == nil {
			return fmt.Errorf("%w: it is a bbolt file, and not etcd's", ErrForeign)
		}
		return nil
	})
}

// Close ends reading. What was read must not be used any more.
func (r *Reader) Close() error {
	r.sum.end()
	if r.db == nil {
		return nil
	}
	return r.db.Close()
}

// judge returns what is wrong with the checksum, as soon as that is known, before an error that follows from it.
func (r *Reader) judge(err error) error {
	<-r.sum.known
	if r.sum.err != nil {
		return fmt.Errorf("%s %w", r.path, r.sum.err)
	}
	return err
}

// view runs fn in a transaction. What is damaged has bbolt panic, or read where nothing is: both are ErrDamaged.
func (r *Reader) view(fn func(*bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%s %w: %v", r.path, ErrDamaged, cause)
		}
	}()
	tx, err := r.db.Begin(false)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	err = fn(tx)
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrForeign) {
		return fmt.Errorf("%s %w", r.path, err)
	}
	return err
}

// check says what is wrong with the file as a whole, but for its checksum, which is compared from here on.
func check(ctx context.Context, cfg OpenConfig) (_ *checksum, err error) {
	f, err := os.Open(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%w: it is a directory", ErrForeign)
	}
	needed, err := databaseBytes(f)
	if err != nil {
		return nil, err
	}
	size := info.Size()
	hasChecksum := size%sectorBytes == sha256.Size
	compared := int64(0)
	switch {
	case cfg.SkipChecksum:
	case !hasChecksum && size < needed:
		return nil, fmt.Errorf("%w: it is cut off, at %d of at least %d bytes", ErrDamaged, size, needed+sha256.Size)
	case !hasChecksum:
		return nil, fmt.Errorf("%w: it was cut off, or copied from a data directory; only in the second case read it with --skip-hash-check", ErrNoChecksum)
	default:
		compared = size - sha256.Size
	}
	sum := compare(ctx, f, compared)
	if size < needed {
		<-sum.known
		sum.end()
		return nil, cmp.Or(sum.err, fmt.Errorf("%w: it is cut off, at %d of at least %d bytes", ErrDamaged, size, needed))
	}
	return sum, nil
}

// databaseBytes returns how long a database is that begins as the file does: the shorter one, if its two heads differ.
func databaseBytes(f io.ReaderAt) (int64, error) {
	head := make([]byte, pageHeaderBytes+metaBytes)
	if _, err := f.ReadAt(head, 0); err != nil {
		if errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("%w: it is too short for one", ErrForeign)
		}
		return 0, fmt.Errorf("cannot be read: %w", err)
	}
	meta := head[pageHeaderBytes:]
	pageBytes := int64(binary.LittleEndian.Uint32(meta[8:]))
	if binary.LittleEndian.Uint32(meta) != metaMagic || pageBytes < sectorBytes || pageBytes > 64<<10 {
		return 0, fmt.Errorf("%w: it is not a bbolt file, as etcd and Quorate write them", ErrForeign)
	}
	pages := int64(binary.LittleEndian.Uint64(meta[40:]))
	if _, err := f.ReadAt(head, pageBytes); err == nil && binary.LittleEndian.Uint32(meta) == metaMagic {
		pages = min(pages, int64(binary.LittleEndian.Uint64(meta[40:])))
	}
	return max(pages, 2) * pageBytes, nil
}
