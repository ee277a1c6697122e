package etcddir

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// written is a file of a log in the making, as etcd writes it.
type written struct {
	bytes.Buffer
	crc uint32
}

// begin begins a file behind data with a checksum.
func begin(crc uint32) *written {
	w := &written{crc: crc}
	w.frame(recordChecksum, crc, nil)
	w.add(recordMetadata, protowire.AppendVarint(append(protowire.AppendVarint([]byte{8}, 7), 16), 9))
	return w
}

func (w *written) add(kind recordKind, data []byte) {
	w.crc = crc32.Update(w.crc, castagnoli, data)
	w.frame(kind, w.crc, data)
}

func (w *written) frame(kind recordKind, crc uint32, data []byte) {
	b := protowire.AppendVarint([]byte{8}, uint64(kind))
	b = protowire.AppendVarint(append(b, 16), uint64(crc))
	if data != nil {
		b = protowire.AppendBytes(append(b, 26), data)
	}
	length := uint64(len(b))
	if padding := (8 - len(b)%8) % 8; padding != 0 {
		length |= uint64(0x80|padding) << 56
		b = append(b, make([]byte, padding)...)
	}
	w.Write(binary.LittleEndian.AppendUint64(nil, length))
	w.Write(b)
}

func (w *written) message(kind recordKind, m proto.Message) {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	w.add(kind, b)
}

func (w *written) entry(index, term uint64, data string) {
	w.message(recordEntry, &raftpb.Entry{Index: &index, Term: &term, Data: []byte(data)})
}

func (w *written) commit(index uint64) { w.message(recordState, &raftpb.HardState{Commit: &index}) }

// save writes files, each by the index in its name, and the last with room behind.
func save(t *testing.T, files map[uint64][]byte, order ...uint64) string {
	t.Helper()
	dir := t.TempDir()
	for i, index := range order {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%016x-%016x.wal", i, index)), files[index], 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "0.tmp"), nil, 0o600))
	return dir
}

// two is a log of two files, of entries 1 to 3 and 4 to 7, of which 5 was written twice. The last one begins at newest.
func two() (first, second []byte, newest int) {
	a := begin(0)
	for i := uint64(1); i < 4; i++ {
		a.entry(i, 1, fmt.Sprint("entry", i))
	}
	b := begin(a.crc)
	b.entry(4, 1, "entry4")
	b.entry(5, 1, "lost")
	b.entry(6, 1, "lost too")
	b.entry(5, 2, "entry5")
	b.commit(5)
	b.entry(6, 2, "entry6"+string(bytes.Repeat([]byte("long "), 400)))
	newest = b.Len()
	b.entry(7, 2, "entry7")
	return a.Bytes(), append(b.Bytes(), make([]byte, 4096)...), newest
}

// Goal: entries come as they were written last, from any index on. Method: a log of two files, read from each index.
func TestEntriesAreRead(t *testing.T) {
	first, second, _ := two()
	dir := save(t, map[uint64][]byte{0: first, 4: second}, 0, 4)
	for from := uint64(1); from <= 8; from++ {
		l, err := OpenLog(t.Context(), dir, from)
		require.NoError(t, err)
		require.Equal(t, []any{uint64(7), uint64(9), uint64(5), ""}, []any{l.MemberID, l.ClusterID, l.Commit, l.Torn})
		require.Equal(t, from, l.First())
		last, _ := l.Last()
		require.EqualValues(t, 7, last)
		for i := from; i <= last; i++ {
			entry, err := l.Entry(i)
			require.NoError(t, err)
			require.Equal(t, i, entry.GetIndex())
			require.Contains(t, string(entry.GetData()), fmt.Sprint("entry", i))
		}
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
	}
}

// Goal: what is half written at the end is left out, and damage anywhere else is an error that names the file. Method: logs with one thing wrong
// each.
func TestTornEndsAreNoDamage(t *testing.T) {
	first, second, newest := two()
	ahead := begin(0)
	ahead.commit(8)
	ahead.entry(1, 1, "entry1")
	at := func(b []byte, text string) int { return bytes.Index(b, []byte(text)) }
	for name, c := range map[string]struct {
		first, second []byte
		last          uint64
		text          string
	}{
		"whole":                          {first, second, 7, ""},
		"cut off in a record":            {first, second[:at(second, "entry7")], 6, ""},
		"cut off in a length":            {first, second[:newest+5], 6, ""},
		"a sector that was not written":  {first, emptied(second[:newest], at(second, "long")+600, 1200), 5, ""},
		"a sector that is gone":          {first, emptied(second, at(second, "long")+600, 1200), 0, "the log goes on"},
		"a length that is gone":          {first, emptied(second, newest, 8), 0, "the log goes on"},
		"no room behind":                 {first, bytes.TrimRight(second, "\x00"), 6, ""},
		"what was committed is not left": {ahead.Bytes(), append(begin(ahead.crc).Bytes(), 1), 0, "8 was committed"},
		"a byte turned":                  {first, turned(second, at(second, "entry7")), 0, "checksum"},
		"a byte turned before":           {first, turned(second, at(second, "entry4")), 0, "checksum"},
		"a byte turned in the first":     {turned(first, at(first, "entry2")), second, 0, "checksum"},
		"the first is cut off":           {first[:len(first)-9], second, 0, "goes on in the next file"},
		"the first is another":           {begin(0).Bytes(), second, 0, "checksum"},
		"the second is another":          {first, begin(5).Bytes(), 0, "checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := OpenLog(t.Context(), save(t, map[uint64][]byte{0: c.first, 4: c.second}, 0, 4), 1)
			if c.text != "" {
				require.ErrorIs(t, err, ErrDamaged)
				require.ErrorContains(t, err, c.text)
				return
			}
			require.NoError(t, err)
			last, _ := l.Last()
			require.Equal(t, c.last, last)
			require.Equal(t, last < 7, l.Torn != "")
			require.NoError(t, l.Close())
		})
	}
}

func turned(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func emptied(b []byte, at, length int) []byte {
	b = bytes.Clone(b)
	clear(b[at : at+length])
	return b
}

// Goal: a directory that is no log, or only a part of one, is refused. Method: directories with one thing wrong each.
func TestForeignLogsAreRefused(t *testing.T) {
	first, second, _ := two()
	gap := begin(0)
	gap.entry(1, 1, "entry1")
	gap.entry(3, 1, "entry3")
	unknown := begin(0)
	unknown.add(9, []byte("x"))
	for name, c := range map[string]struct {
		dir  string
		err  error
		text string
	}{
		"empty":        {t.TempDir(), ErrForeign, "no write-ahead log"},
		"none":         {"/none", os.ErrNotExist, "look for"},
		"no beginning": {save(t, map[uint64][]byte{4: second}, 4), ErrDamaged, "files are missing"},
		"no middle":    {save(t, map[uint64][]byte{0: first, 2: first, 4: second}, 0, 2, 4), ErrDamaged, ""},
		"a gap":        {save(t, map[uint64][]byte{0: gap.Bytes()}, 0), ErrDamaged, "2 would come next"},
		"a later kind": {save(t, map[uint64][]byte{0: unknown.Bytes()}, 0), ErrDamaged, "after 3.7"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no middle" {
				require.NoError(t, os.Remove(filepath.Join(c.dir, fmt.Sprintf("%016x-%016x.wal", 1, 2))))
			}
			_, err := OpenLog(t.Context(), c.dir, 1)
			require.ErrorIs(t, err, c.err)
			require.ErrorContains(t, err, c.text)
		})
	}
}

// Goal: the newest .snap file that is whole is read. Method: three files, of which the newest is damaged.
func TestNewestWholeSnapIsRead(t *testing.T) {
	dir := t.TempDir()
	write := func(index uint64, store string) {
		snapshot, err := proto.Marshal(&raftpb.Snapshot{Data: []byte(store), Metadata: &raftpb.SnapshotMetadata{Index: &index}})
		require.NoError(t, err)
		b := protowire.AppendVarint([]byte{8}, uint64(crc32.Checksum(snapshot, castagnoli)))
		b = protowire.AppendBytes(append(b, 18), snapshot)
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%016x-%016x.snap", 2, index)), b, 0o600))
	}
	snap, err := ReadSnap(dir, 100)
	require.NoError(t, err)
	require.Zero(t, snap)
	write(10, `{"Root":{"Path":"/"},"CurrentIndex":1}`)
	write(20, `{"Root":{"Path":"/","Children":{"1":{"Path":"/1","ModifiedIndex":4,"Value":"v","ExpireTime":"2030-01-01T00:00:00Z","Children":null}}},"CurrentIndex":5}`)
	write(30, "no store")
	snap, err = ReadSnap(dir, 100)
	require.NoError(t, err)
	require.Equal(t, []uint64{20, 5}, []uint64{snap.Index, snap.V2Index})
	require.Equal(t, "v", snap.Root.Children["1"].Value)
	require.Equal(t, 2030, snap.Root.Children["1"].ExpireTime.Year())
	snap, err = ReadSnap(dir, 19)
	require.NoError(t, err)
	require.EqualValues(t, 10, snap.Index)
	_, err = ReadSnap(dir, 9)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, fmt.Sprintf("%016x-%016x.snap", 2, 10))))
	require.NoError(t, os.Remove(filepath.Join(dir, fmt.Sprintf("%016x-%016x.snap", 2, 20))))
	_, err = ReadSnap(dir, 100)
	require.ErrorIs(t, err, ErrDamaged)
}

// Goal: requests of v2 are told from those of v3, by themselves or inside one. Method: each kind, in the bytes that etcd writes.
func TestRequestsOfV2AreKnown(t *testing.T) {
	put := protowire.AppendBytes(append(protowire.AppendBytes(append(protowire.AppendBytes([]byte{8, 5, 18}, []byte("PUT")), 26), []byte("/1/a")), 34), []byte("v"))
	put = append(put, 64, 0, 136, 1, 1) // prevExist=false, refresh=true
	r, err := V2Request(put)
	require.NoError(t, err)
	no, yes := false, true
	require.Equal(t, &Request{Method: "PUT", Path: "/1/a", Value: "v", PrevExist: &no, Refresh: &yes}, r)
	r, err = V2Request(protowire.AppendBytes([]byte{8, 5, 18}, put))
	require.NoError(t, err)
	require.Equal(t, "/1/a", r.Path)
	r, err = V2Request(protowire.AppendBytes([]byte{8, 5, 34}, []byte("\x0a\x01k\x12\x01v"))) // a put of v3
	require.NoError(t, err)
	require.Nil(t, r)
	_, err = V2Request([]byte{0xff})
	require.Error(t, err)
}

// FuzzLog: whatever is in a file, reading it ends, with an error or without.
func FuzzLog(f *testing.F) {
	first, second, _ := two()
	f.Add(first)
	f.Add(second)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := OpenLog(t.Context(), save(t, map[uint64][]byte{0: b}, 0), 1)
		if err == nil {
			last, _ := l.Last()
			for i := l.First(); i <= last; i++ {
				_, _ = l.Entry(i)
			}
			_ = l.Close()
		}
		_, _ = V2Request(b)
	})
}
