package snapshotfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// FuzzRead: whatever is changed in a snapshot's bytes, reading it ends, with content or with an error that says that the file is damaged
// or none. Its pages are small, so that much of them is structure. Two places are changed at a time.
func FuzzRead(f *testing.F) {
	whole := small(f)
	f.Add(uint32(0), []byte{}, uint32(0), []byte{})
	f.Add(uint32(16), []byte("\xff\xff"), uint32(1040), []byte{0})
	f.Add(uint32(2048+8), []byte{0xff, 0xff, 0xff, 0x7f}, uint32(4096), []byte("quorate"))
	f.Add(uint32(3072), bytes.Repeat([]byte{3}, 16), uint32(100), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, at uint32, change []byte, beside uint32, other []byte) {
		b := bytes.Clone(whole)
		copy(b[int(at)%len(b):], change)
		copy(b[int(beside)%len(b):], other)
		path := filepath.Join(t.TempDir(), "snapshot")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		err := readAll(t, path)
		require.True(t, err == nil || errors.Is(err, ErrDamaged) || errors.Is(err, ErrForeign), "%v", err)
	})
}

// FuzzOpen: whatever a file has, opening it ends.
func FuzzOpen(f *testing.F) {
	whole := small(f)
	f.Add(whole[:1024])
	f.Add(whole[:len(whole)-100])
	f.Add([]byte("not a database"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "snapshot")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		_ = readAll(t, path)
	})
}

// readAll reads all that a file has, as a restore does.
func readAll(t *testing.T, path string) error {
	r, err := Open(t.Context(), OpenConfig{Path: path, SkipChecksum: true})
	if err != nil {
		return err
	}
	defer func() { require.NoError(t, r.Close()) }()
	return r.Read(func(c *Content) error {
		for _, err := range c.Versions {
			if err != nil {
				return err
			}
		}
		for _, err := range c.Leases {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// small is a snapshot, without its checksum, in pages of 1 KiB.
func small(f *testing.F) []byte {
	built, err := Build(f.Context(), f.TempDir(), State{
		AppliedIndex: 9, AppliedTerm: 2, Members: []*consensusv1.Member{{Id: 255, PeerUrls: []string{"http://p"}}},
		Versions: each(put(5, 0, "a", "1"), put(6, 0, "b", "2"), tombstone(7, 0, "a")), Leases: each(&consensusv1.Lease{Id: 16, GrantedTtl: 60}),
	})
	require.NoError(f, err)
	path := filepath.Join(f.TempDir(), "small")
	to, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 1024, NoSync: true, NoFreelistSync: true})
	require.NoError(f, err)
	require.NoError(f, bbolt.Compact(to, built.db, 0))
	require.NoError(f, errors.Join(to.Close(), built.Close()))
	b, err := os.ReadFile(path)
	require.NoError(f, err)
	return b
}
