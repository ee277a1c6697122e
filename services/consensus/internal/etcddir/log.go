package etcddir

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Log is what a write-ahead log holds from an index on. Close must end it.
type Log struct {
	// MemberID and ClusterID say whose it is.
	MemberID, ClusterID uint64
	// Commit is the newest index that the member is known to have known committed. Later entries may have been acknowledged all the same: a
	// commit index is written with the entries after it.
	Commit uint64
	// Torn says where the log ends in something half written, empty if it does not.
	Torn string

	first   uint64
	entries []place
	files   []*os.File
}

// place is where an entry is.
type place struct {
	file   int
	offset int64
	bytes  int
	term   uint64
}

// logFile is a file of the log by its name.
type logFile struct {
	name            string
	sequence, index uint64
}

// checkEvery is how many records pass between two looks at the context.
const checkEvery = 1024

// OpenLog reads and checks the log in a directory, and finds its entries from an index on. Errors are ErrForeign, ErrDamaged, and those of the
// file system.
func OpenLog(ctx context.Context, dir string, first uint64) (*Log, error) {
	files, err := logFiles(dir)
	if err != nil {
		return nil, err
	}
	begin := -1
	for i, f := range files {
		if f.index <= first {
			begin = i
		}
	}
	if begin < 0 {
		return nil, fmt.Errorf("the write-ahead log in %s %w: it begins with entry %d, and those from %d on are needed: files are missing", dir, ErrDamaged, files[0].index, first)
	}
	l := &Log{first: first}
	crc := uint32(0)
	for i, f := range files[begin:] {
		if want := files[begin].sequence + uint64(i); f.sequence != want {
			return nil, errors.Join(fmt.Errorf("the write-ahead log in %s %w: file %d of it is missing", dir, ErrDamaged, want), l.Close())
		}
		crc, err = l.readFile(ctx, filepath.Join(dir, f.name), begin+i == len(files)-1, crc)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	if last, _ := l.Last(); last < l.Commit {
		return nil, errors.Join(fmt.Errorf("the write-ahead log in %s %w: it ends with entry %d, and %d was committed%s", dir, ErrDamaged, last, l.Commit, l.Torn), l.Close())
	}
	return l, nil
}

// logFiles lists the files of a log in order.
func logFiles(dir string) ([]logFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for the write-ahead log: %w", err)
	}
	var files []logFile
	for _, entry := range entries {
		f := logFile{name: entry.Name()}
		if !strings.HasSuffix(f.name, ".wal") {
			continue // .tmp is one to come, .broken one that etcd has repaired
		}
		if n, err := fmt.Sscanf(f.name, "%016x-%016x.wal", &f.sequence, &f.index); n != 2 || err != nil {
			return nil, fmt.Errorf("%s %w: %s is not named as a file of a write-ahead log", dir, ErrForeign, f.name)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s %w: there is no write-ahead log", dir, ErrForeign)
	}
	slices.SortFunc(files, func(a, b logFile) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// readFile reads a file to its end, and returns the checksum of all so far.
func (l *Log) readFile(ctx context.Context, path string, last bool, crc uint32) (uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	l.files = append(l.files, f)
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	r := &recordReader{r: bufio.NewReaderSize(f, 1<<20), size: info.Size(), crc: crc}
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		rec, err := r.next()
		switch {
		case errors.Is(err, io.EOF) && !last:
			return r.crc, nil
		case errors.Is(err, io.EOF), errors.Is(err, errTorn) && last:
			if errors.Is(err, errTorn) {
				l.Torn = fmt.Sprintf(" (%s ends at byte %d in a record that was not written whole)", path, r.at)
			}
			return r.crc, checkEnd(f, r)
		case errors.Is(err, errTorn):
			return 0, fmt.Errorf("%s %w at byte %d: %w, though the log goes on in the next file", path, ErrDamaged, r.at, err)
		case err == nil:
			err = l.take(rec)
		}
		if err != nil {
			return 0, fmt.Errorf("%s, the record at byte %d: %w", path, rec.at, err)
		}
	}
}

// checkEnd fails where something stands behind the end of the log: then it is no end, but damage.
func checkEnd(f *os.File, r *recordReader) error {
	rest := io.NewSectionReader(f, r.end, max(0, r.size-r.end))
	buf := make([]byte, 1<<20)
	for at := r.end; ; {
		n, err := rest.Read(buf)
		if found := len(buf[:n]) - len(bytes.TrimLeft(buf[:n], "\x00")); found < n {
			return fmt.Errorf("%s %w at byte %d: the record there is not whole, and at byte %d the log goes on. If the machine lost its power there, etcd may "+
				"take that for the end of its log: have it start once, and stop it again", f.Name(), ErrDamaged, r.at, at+int64(found))
		}
		if at += int64(n); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// take takes a record.
func (l *Log) take(rec record) error {
	switch rec.kind {
	case recordMetadata:
		var member, cluster uint64
		err := eachField(rec.data, func(number protowire.Number, value uint64, _ []byte) {
			switch number {
			case 1:
				member = value
			case 2:
				cluster = value
			}
		})
		if err != nil || l.ClusterID != 0 && (member != l.MemberID || cluster != l.ClusterID) {
			return fmt.Errorf("%w: it is of member %x of cluster %x, and those before were of member %x of cluster %x", ErrDamaged, member, cluster, l.MemberID, l.ClusterID)
		}
		l.MemberID, l.ClusterID = member, cluster
	case recordEntry:
		return l.takeEntry(rec)
	case recordState:
		state := &raftpb.HardState{}
		if err := proto.Unmarshal(rec.data, state); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		l.Commit = state.GetCommit()
	case recordSnapshot:
		l.takeSnapshot(rec)
	case recordChecksum:
	default:
		return fmt.Errorf("%w: there are no records of kind %d: it was written by something else, or an etcd after 3.7", ErrDamaged, rec.kind)
	}
	return nil
}

// takeEntry notes where an entry is. One whose index was there before takes its place, and ends what was behind: it is another leader's.
func (l *Log) takeEntry(rec record) error {
	entry := &raftpb.Entry{}
	if err := proto.Unmarshal(rec.data, entry); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	next := l.first + uint64(len(l.entries))
	switch index := entry.GetIndex(); {
	case index < l.first:
		l.entries = l.entries[:0]
		return nil
	case index > next:
		return fmt.Errorf("%w: it holds entry %d, and %d would come next", ErrDamaged, index, next)
	default:
		l.entries = l.entries[:index-l.first]
	}
	l.entries = append(l.entries, place{file: len(l.files) - 1, offset: rec.dataAt, bytes: len(rec.data), term: entry.GetTerm()})
	return nil
}

// takeSnapshot forgets the entries before a snapshot that another member has sent: the log has a gap there.
func (l *Log) takeSnapshot(rec record) {
	var index uint64
	_ = eachField(rec.data, func(number protowire.Number, value uint64, _ []byte) { // a record without an index forgets nothing
		if number == 1 {
			index = value
		}
	})
	if next := l.first + uint64(len(l.entries)); index >= next && index >= l.first {
		l.first, l.entries = index+1, nil
	}
}

// Last returns index and term of the newest entry, or the index before the first and 0.
func (l *Log) Last() (index, term uint64) {
	if len(l.entries) == 0 {
		return l.first - 1, 0
	}
	return l.first + uint64(len(l.entries)) - 1, l.entries[len(l.entries)-1].term
}

// First is the index of the first entry.
func (l *Log) First() uint64 { return l.first }

// Entry reads an entry of First to Last.
func (l *Log) Entry(index uint64) (*raftpb.Entry, error) {
	p := l.entries[index-l.first]
	data := make([]byte, p.bytes)
	if _, err := l.files[p.file].ReadAt(data, p.offset); err != nil {
		return nil, fmt.Errorf("entry %d: %w", index, err)
	}
	entry := &raftpb.Entry{}
	return entry, proto.Unmarshal(data, entry)
}

// Close ends reading. A second Close does nothing.
func (l *Log) Close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}
