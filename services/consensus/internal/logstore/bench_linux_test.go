package logstore

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// The benchmarks put one append of a 300-byte entry beside the least that the disk can do for it: a write and an
// fdatasync at the end of a growing file, and the same inside a file that already has its size. They use TMPDIR, which
// should be on a real disk:
//
//	TMPDIR=/var/tmp go test ./internal/logstore -run '^$' -bench . -benchtime 2s

const benchPayload = 300

func BenchmarkAppendSynced(b *testing.B) {
	s, err := Open(Config{Dir: filepath.Join(b.TempDir(), "log"), FS: vfs.Default})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	data := make([]byte, benchPayload)
	b.ReportAllocs()
	for i := uint64(1); b.Loop(); i++ {
		e := &raftpb.Entry{Index: new(i), Term: new(uint64(1)), Data: data}
		if err := s.Append([]*raftpb.Entry{e}, nil, true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendUnsynced(b *testing.B) {
	s, err := Open(Config{Dir: filepath.Join(b.TempDir(), "log"), FS: vfs.NewMem()})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	data := make([]byte, benchPayload)
	b.ReportAllocs()
	for i := uint64(1); b.Loop(); i++ {
		e := &raftpb.Entry{Index: new(i), Term: new(uint64(1)), Data: data}
		if err := s.Append([]*raftpb.Entry{e}, nil, false); err != nil {
			b.Fatal(err)
		}
		if i%10_000 == 0 {
			require.NoError(b, s.Truncate(i-5_000))
		}
	}
}

func BenchmarkPlainFile(b *testing.B) {
	for name, reserved := range map[string]int{"growing": 0, "reused": 64 << 20} {
		b.Run(name, func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
			require.NoError(b, err)
			defer func() { require.NoError(b, f.Close()) }()
			_, err = f.Write(make([]byte, reserved))
			require.NoError(b, err)
			require.NoError(b, f.Sync())
			_, err = f.Seek(0, 0)
			require.NoError(b, err)
			data := make([]byte, benchPayload)
			for b.Loop() {
				if _, err := f.Write(data); err != nil {
					b.Fatal(err)
				}
				if err := syscall.Fdatasync(int(f.Fd())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
