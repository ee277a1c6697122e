package snapshot

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/metrics"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/notices"
)

// Config says what snapshots are made of, where they go, and who hears of them.
type Config struct {
	FS vfs.FS
	// Dir is where snapshots arrive; empty refuses them.
	Dir string
	// BytesPerSecond bounds what is sent to all members together, any number below 1 does not.
	BytesPerSecond int64

	Log     *slog.Logger
	Notices *notices.Notices
	Metrics *metrics.Metrics
}

// Member is this member, as far as snapshots concern it.
type Member interface {
	MemberID() uint64
	// ReportSnapshot says how the snapshot ended that a MsgSnap told a member to take.
	ReportSnapshot(id uint64, ok bool)
	// InstallSnapshot makes the files of s the member's state.
	InstallSnapshot(ctx context.Context, s Received) error
}

// Network is how the members reach each other.
type Network interface {
	// HTTPClient makes requests in this member's name.
	HTTPClient(to uint64) *http.Client
	// URL is where a member is reached, as far as that is known.
	URL(id uint64) (string, bool)
	// AdvertiseURLs are where the others reach this member.
	AdvertiseURLs() []string
}

// Received is a snapshot as it arrived.
type Received struct {
	// Dir holds the files of the sender's checkpoint and nothing else.
	Dir string
	// From is the member that sent it.
	From uint64
	// Index and Term say which log entry was the last one applied in it. It may be newer than what Message asks for.
	Index, Term uint64
	// Message is the MsgSnap that raft sent. It was not stepped.
	Message *raftpb.Message
}

// Source makes the snapshots that other members catch up from.
type Source interface {
	// Checkpoint makes a copy of the state as it is now, or later, in a directory of its own, flat and unchanging until
	// release is called. index and term say which log entry was the last one applied in it.
	Checkpoint(ctx context.Context) (dir string, index, term uint64, release func(), err error)
	// Continues tells whether the log still goes on from the entry after index: whoever starts from a snapshot at index
	// can catch up by appends. It must not wait.
	Continues(index uint64) bool
}

// headerChecksum is the CRC-32C of a piece, in hexadecimal.
const headerChecksum = "Quorate-Crc32c"

// pieces are buffers of pieceBytes.
var pieces = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

// offer tells a member to come and get a snapshot.
type offer struct {
	ID    string   `json:"id"`
	Index uint64   `json:"index"`
	Term  uint64   `json:"term"`
	URLs  []string `json:"urls"` // of the sender
	// Message is the MsgSnap, encoded. Its term is the leader's.
	Message []byte `json:"message"`
}

// manifest lists what a snapshot consists of.
type manifest struct {
	ID    string         `json:"id"`
	Files []manifestFile `json:"files"`
}

type manifestFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// result is how a transfer ended.
type result struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// check refuses a manifest that reaches outside the directory that its files go to, or whose sizes add up to nonsense.
func (m manifest) check() error {
	seen := make(map[string]bool, len(m.Files))
	left := int64(snapshotBytesMax)
	for _, f := range m.Files {
		if !plainName(f.Name) || f.Size < 0 || seen[f.Name] {
			return fmt.Errorf("the manifest of snapshot %s is not one: file %q of %d bytes", m.ID, f.Name, f.Size)
		}
		if f.Size > left {
			return fmt.Errorf("the manifest of snapshot %s is not one: its files are more than %d bytes", m.ID, int64(snapshotBytesMax))
		}
		seen[f.Name] = true
		left -= f.Size
	}
	if len(m.Files) == 0 {
		return fmt.Errorf("the manifest of snapshot %s is empty", m.ID)
	}
	return nil
}

func (m manifest) size() (total int64) {
	for _, f := range m.Files {
		total += f.Size
	}
	return total
}

func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\\\x00")
}

// listFiles makes the manifest of a directory.
func listFiles(fs vfs.FS, id, dir string) (manifest, error) {
	names, err := fs.List(dir)
	if err != nil {
		return manifest{}, err
	}
	m := manifest{ID: id}
	for _, name := range names {
		info, err := fs.Stat(fs.PathJoin(dir, name))
		if err != nil {
			return manifest{}, err
		}
		if info.IsDir() {
			return manifest{}, fmt.Errorf("checkpoint %s is not flat: %s is a directory", dir, name)
		}
		m.Files = append(m.Files, manifestFile{Name: name, Size: info.Size()})
	}
	return m, m.check()
}
