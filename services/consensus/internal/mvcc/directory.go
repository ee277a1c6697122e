package mvcc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
)

var (
	// ErrInUse is returned by Open when another process, or another store of this one, has the directory open.
	ErrInUse = errors.New("directory is in use by another process")
	// ErrCorrupt is returned by Open when files are not as they were written, or missing.
	ErrCorrupt = errors.New("state is corrupt")
)

// Pebble reads its manifest, the list of its files, up to the first record that is damaged, takes the rest for the tail
// of an interrupted write, and deletes all files that the list does not have then. Interrupted writes are repaired so, but
// a turned-over byte would take the state with it. So the manifest is checked before Pebble sees it: there must be no
// intact record behind a damaged one, and after an orderly stop it must be just as long as it was then.

// cleanName is the file that an orderly stop leaves: the manifest's name and size. It is removed at the next start.
const cleanName = "CLEAN"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const recoverAdvice = "do not delete files to make it start: restore this member from a snapshot, " +
	"or remove it from the cluster and add it again with an empty data directory"

// takeDir makes the directory, if need be, and takes it for this store alone.
func takeDir(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	if err := durabledir.Make(fsys, dir); err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory(dir, fsys)
	if err == nil {
		return lock, nil
	}
	// Another process makes the system refuse the lock; that this one has it is known without asking the system.
	var errno syscall.Errno
	if errors.Is(err, syscall.EAGAIN) || !errors.As(err, &errno) {
		return nil, fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return nil, fmt.Errorf("lock: %w", err)
}

// checkDir returns ErrCorrupt if Pebble would start with less than what is there.
func checkDir(fsys vfs.FS, dir string) error {
	desc, err := pebble.Peek(dir, fsys)
	if err != nil {
		return err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	if !desc.Exists {
		for _, name := range names {
			if strings.HasSuffix(name, ".sst") || name == cleanName {
				return fmt.Errorf("%w: file %s is there, but the manifest is missing; %s", ErrCorrupt, name, recoverAdvice)
			}
		}
		return nil
	}
	if err := checkManifest(fsys, desc.ManifestFilename); err != nil {
		return err
	}
	return takeClean(fsys, dir, desc.ManifestFilename)
}

// openEngine opens the database. Where its files are not what they must be, it returns ErrCorrupt with what to do: Pebble
// names each file that its list has and the directory has not, and ends in a panic where the list contradicts itself.
func openEngine(dir string, o *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			db, err = nil, fmt.Errorf("%w: the storage engine cannot make sense of its files: %v; %s", ErrCorrupt, cause, recoverAdvice)
		}
	}()
	db, err = pebble.Open(dir, o)
	if err != nil && (pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist)) {
		first, _, more := strings.Cut(err.Error(), "\n")
		if more {
			first += ", and more"
		}
		err = fmt.Errorf("%w: %s; %s", ErrCorrupt, first, recoverAdvice)
	}
	return db, err
}

// cleanLine says what the manifest is.
func cleanLine(fsys vfs.FS, manifest string) (string, error) {
	info, err := fsys.Stat(manifest)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d\n", fsys.PathBase(manifest), info.Size()), nil
}

// leaveClean records an orderly stop.
func leaveClean(fsys vfs.FS, dir string) error {
	desc, err := pebble.Peek(dir, fsys)
	if err != nil {
		return err
	}
	line, err := cleanLine(fsys, desc.ManifestFilename)
	if err != nil {
		return err
	}
	f, err := fsys.Create(fsys.PathJoin(dir, cleanName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, line)
	return errors.Join(err, f.Sync(), f.Close(), durabledir.Sync(fsys, dir))
}

// takeClean compares the manifest with what the last stop recorded, if that was an orderly one, and takes the record away.
// A record that is not whole is of a stop that was interrupted, and says nothing.
func takeClean(fsys vfs.FS, dir, manifest string) error {
	path := fsys.PathJoin(dir, cleanName)
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	line, err := cleanLine(fsys, manifest)
	if err != nil {
		return err
	}
	if strings.HasSuffix(string(b), "\n") && string(b) != line {
		return fmt.Errorf("%w: the manifest was %q when the store was closed, and is %q now; %s",
			ErrCorrupt, strings.TrimSpace(string(b)), strings.TrimSpace(line), recoverAdvice)
	}
	return errors.Join(fsys.Remove(path), durabledir.Sync(fsys, dir))
}

// A manifest is a run of 32 KiB blocks. Records are cut into chunks that do not cross the end of a block; what is too
// short for a chunk at its end is zero. A chunk: checksum 4, payload size 2, kind 1, payload; the checksum covers all from
// the kind on.
const (
	manifestBlockBytes  = 32 << 10
	manifestHeaderBytes = 4 + 2 + 1
	// Kinds of chunks: 1 is a whole record, 2 begins one, 3 and 4 go on with it.
	manifestKindBegins = 2
	manifestKindMax    = 4
)

// checkManifest returns ErrCorrupt if an intact record begins behind a damaged one. Each record is synced before the next
// is written, so a power cut can damage only the last one, of which later chunks may have reached the disk before earlier.
func checkManifest(fsys vfs.FS, path string) error {
	f, err := fsys.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	block, damage := make([]byte, manifestBlockBytes), int64(-1)
	for base := int64(0); ; base += manifestBlockBytes {
		n, err := io.ReadFull(f, block)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		at := 0
		if damage < 0 {
			if at = intactChunks(block[:n]); at == n {
				continue
			}
			damage = base + int64(at)
		}
		for at++; at < n; at++ {
			if chunkSize(block[at:n]) > 0 && block[at+6] <= manifestKindBegins {
				return fmt.Errorf("%w: file %s is damaged at offset %d, and intact again at %d; %s",
					ErrCorrupt, path, damage, base+int64(at), recoverAdvice)
			}
		}
	}
}

// intactChunks returns how far a block can be read, its length if to the end.
func intactChunks(block []byte) int {
	at := 0
	for at+manifestHeaderBytes <= manifestBlockBytes && at < len(block) {
		size := chunkSize(block[at:])
		if size == 0 {
			return at
		}
		at += size
	}
	return len(block)
}

// chunkSize returns the size of the intact chunk that b begins with, 0 if it does not.
func chunkSize(b []byte) int {
	if len(b) < manifestHeaderBytes || b[6] == 0 || b[6] > manifestKindMax {
		return 0
	}
	size := manifestHeaderBytes + int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) {
		return 0
	}
	// The checksum is rotated and shifted, as in all of LevelDB's family.
	sum := crc32.Checksum(b[6:size], castagnoli)
	if binary.LittleEndian.Uint32(b) != (sum>>15|sum<<17)+0xa282ead8 {
		return 0
	}
	return size
}
