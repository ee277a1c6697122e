package peer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// Raft asks for a snapshot to be sent with a MsgSnap. That message does not travel; the files of a checkpoint do, pulled
// by the receiver, and the sender's raft waits for the outcome:
//
//	sender                                   receiver
//	raft: MsgSnap
//	checkpoint, or one that is there
//	offer, on the stream of messages   ──►   considers it
//	manifest                           ◄──   GET  /snapshot/ID
//	piece, paced, with its checksum    ◄──   GET  /snapshot/ID/FILE, Range     until all are written and synced
//	                                         Receiver.InstallSnapshot
//	ReportSnapshot                     ◄──   POST /snapshot/ID/result
//
// The receiver pulls because it knows what it has: after a broken connection it asks for the next piece, after a failed
// transfer of the same checkpoint for what is missing. Either side may vanish: the sender gives up a receiver that is
// silent for transferIdleMax, the receiver a sender that does not answer attemptsMax requests.

// pathSnapshot is below which snapshots are.
const pathSnapshot = "/snapshot/"

// headerChecksum is the CRC-32C of a piece, in hexadecimal.
const headerChecksum = "Quorate-Crc32c"

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

// snapshots are the two sides of a member's transfers.
type snapshots struct {
	*sending
	*taking
}

func newSnapshots(t *Transport, r *run, source SnapshotSource) *snapshots {
	return &snapshots{newSending(t, r, source), newTaking(t, r)}
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

// abandoned says that an offer was not delivered.
func (s *snapshots) abandoned(to uint64, m *raftpb.Message) {
	s.finish(to, func(tr *transfer) bool { return tr.message == m }, errors.New("the offer of the snapshot could not be delivered"))
}
