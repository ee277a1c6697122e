package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// snapshotPieceBytes is about the length of the pieces in which snapshots travel: files of these lengths take several.
const snapshotPieceBytes = 4 << 20

// fakeSource has a state that is a few files of random bytes.
type fakeSource struct {
	fs        vfs.FS
	files     map[string][]byte
	continues atomic.Bool
	made      atomic.Int32
	released  atomic.Int32
}

func newFakeSource(fs vfs.FS, sizes ...int) *fakeSource {
	s := &fakeSource{fs: fs, files: map[string][]byte{}}
	s.continues.Store(true)
	random := rand.NewChaCha8([32]byte{1})
	for i, size := range sizes {
		content := make([]byte, size)
		_, _ = random.Read(content) // never fails
		s.files[fmt.Sprintf("%06d.sst", i)] = content
	}
	return s
}

func (s *fakeSource) Continues(uint64) bool { return s.continues.Load() }

func (s *fakeSource) Checkpoint(context.Context) (dir string, index, term uint64, release func(), err error) {
	n := s.made.Add(1)
	dir = fmt.Sprintf("checkpoint-%d", n)
	if err := s.fs.MkdirAll(dir, 0o700); err != nil {
		return "", 0, 0, nil, err
	}
	for name, content := range s.files {
		if err := writeFile(s.fs, s.fs.PathJoin(dir, name), content); err != nil {
			return "", 0, 0, nil, err
		}
	}
	return dir, uint64(100 * n), 7, func() { s.released.Add(1) }, nil
}

func writeFile(fs vfs.FS, path string, content []byte) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.Clone(content)) // a vfs.File may change what it is given
	return errors.Join(err, f.Close())
}

func readDir(t *testing.T, fs vfs.FS, dir string) map[string][]byte {
	t.Helper()
	names, err := fs.List(dir)
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, name := range names {
		info, err := fs.Stat(fs.PathJoin(dir, name))
		require.NoError(t, err)
		content := make([]byte, info.Size())
		f, err := fs.Open(fs.PathJoin(dir, name))
		require.NoError(t, err)
		if len(content) > 0 {
			_, err = f.ReadAt(content, 0)
			require.NoError(t, err)
		}
		require.NoError(t, f.Close())
		files[name] = content
	}
	return files
}

// requireSameFiles does not print megabytes when it fails.
func requireSameFiles(t *testing.T, want, got map[string][]byte) {
	t.Helper()
	require.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)))
	for name := range want {
		require.Len(t, got[name], len(want[name]), name)
		for i := range want[name] {
			if want[name][i] != got[name][i] {
				t.Fatalf("%s differs at byte %d", name, i)
			}
		}
	}
}

// installed is a snapshot that arrived, with the files as they were then.
type installed struct {
	ReceivedSnapshot
	files map[string][]byte
}

// giver is a node with snapshots to give, taker one that installs them into the channel.
func giver(t *testing.T, id uint64, source *fakeSource) *node {
	return startNode(t, id, nodeOptions{source: source, config: func(c *Config) { c.FS = source.fs; c.SnapshotBytesPerSecond = -1 }})
}

func taker(t *testing.T, id uint64, fs vfs.FS) (*node, chan installed) {
	arrived := make(chan installed, 16)
	n := startNode(t, id, nodeOptions{
		config:   func(c *Config) { c.FS = fs; c.SnapshotDir = "incoming" },
		receiver: installing(t, fs, arrived),
	})
	return n, arrived
}

// installing has a receiver hand over what arrives.
func installing(t *testing.T, fs vfs.FS, arrived chan installed) func(*fakeReceiver) {
	return func(f *fakeReceiver) {
		f.install = func(_ context.Context, s ReceivedSnapshot) error {
			arrived <- installed{s, readDir(t, fs, s.Dir)}
			return nil
		}
	}
}

func msgSnap(from, to *node, term uint64) *raftpb.Message {
	return &raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), From: new(from.receiver.id), To: new(to.receiver.id), Term: new(term),
		Snapshot: &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: new(uint64(90)), Term: new(term), ConfState: &raftpb.ConfState{Voters: []uint64{1}}}},
	}
}

// faults stands in for a node's listener and does to the answers to snapshot requests what a test wants.
func faults(t *testing.T, n *node, spoil func(w http.ResponseWriter, req *http.Request, next http.Handler)) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, wire.PathSnapshot) {
			spoil(w, req, n.Handler())
			return
		}
		n.Handler().ServeHTTP(w, req)
	}))
	t.Cleanup(server.CloseClientConnections)
	n.close() // what is offered to others from now on is the server
	n.address = server.Listener.Addr().String()
	n.cfg.AdvertiseURLs = []string{n.url()}
	n.close = func() { n.halt(); server.Close() }
}

// Goal: a snapshot arrives as it is, once per offer, is installed, reported, and both sides clean up. Method: files of
// none, few and more than a piece's bytes.
func TestSnapshotArrivesAsFiles(t *testing.T) {
	source := newFakeSource(vfs.NewMem(), 0, 10, snapshotPieceBytes, 2*snapshotPieceBytes+5)
	a := giver(t, 0xa, source)
	fs := vfs.NewMem()
	b, arrived := taker(t, 0xb, fs)
	introduce(a, b)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
	got := await(t, arrived)
	requireSameFiles(t, source.files, got.files)
	require.Equal(t, uint64(100), got.Index)
	require.Equal(t, uint64(7), got.Term)
	require.Equal(t, uint64(0xa), got.From)
	require.Equal(t, uint64(90), got.Message.GetSnapshot().GetMetadata().GetIndex())
	require.Equal(t, snapshotReport{0xb, true}, await(t, a.receiver.snapshots))
	a.halt()
	require.Equal(t, int32(1), source.released.Load())
	b.halt()
	require.Empty(t, readDir(t, fs, "incoming"))
}

// Goal: broken connections, corrupt bytes, errors and redirected ranges cost repetition and nothing else, and no more is
// fetched again than a piece. Method: each piece fails once, in turn in each way.
func TestSnapshotSurvivesFaults(t *testing.T) {
	source := newFakeSource(vfs.NewMem(), 3*snapshotPieceBytes+1, 17, 2*snapshotPieceBytes)
	a := giver(t, 0xa, source)
	var mu sync.Mutex
	seen := map[string]int{}
	var failures int
	faults(t, a, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		key := req.URL.Path + req.Header.Get("Range")
		mu.Lock()
		first := seen[key] == 0
		seen[key]++
		if first {
			failures++
		}
		way := failures % 4
		mu.Unlock()
		if !first || req.Method != http.MethodGet {
			next.ServeHTTP(w, req)
			return
		}
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recordedWriter{recorded}, req)
		body := recorded.Body.Bytes()
		for name, values := range recorded.Header() {
			w.Header()[name] = values
		}
		switch way {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			body[len(body)/2] ^= 0x10
			w.WriteHeader(recorded.Code)
			_, _ = w.Write(body)
		case 2:
			w.WriteHeader(recorded.Code)
			_, _ = w.Write(body[:len(body)/2])
			panic(http.ErrAbortHandler)
		case 3:
			http.Error(w, "disk error", http.StatusInternalServerError)
		}
	})
	b, arrived := taker(t, 0xb, vfs.NewMem())
	introduce(a, b)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
	requireSameFiles(t, source.files, await(t, arrived).files)
	require.Equal(t, snapshotReport{0xb, true}, await(t, a.receiver.snapshots))
	mu.Lock()
	defer mu.Unlock()
	for key, times := range seen {
		if strings.HasSuffix(key, "/result") {
			continue // a receiver that hears nothing for a while says it again
		}
		require.LessOrEqual(t, times, 2, key)
	}
	require.GreaterOrEqual(t, failures, 7)
}

// recordedWriter lets a recorder pass for a connection with deadlines.
type recordedWriter struct{ *httptest.ResponseRecorder }

func (recordedWriter) SetWriteDeadline(time.Time) error { return nil }

// Goal: receivers share a checkpoint as long as the log goes on from it. Method: two receivers at once; then another
// offer once the log has been truncated.
func TestReceiversShareACheckpoint(t *testing.T) {
	source := newFakeSource(vfs.NewMem(), 1000)
	a := giver(t, 0xa, source)
	b, arrivedB := taker(t, 0xb, vfs.NewMem())
	c, arrivedC := taker(t, 0xc, vfs.NewMem())
	introduce(a, b, c)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	sendUntilReceived(t, a, c, heartbeat(a, c, 1))
	a.Send([]*raftpb.Message{msgSnap(a, b, 7), msgSnap(a, c, 7)})
	await(t, arrivedB)
	await(t, arrivedC)
	require.Equal(t, int32(1), source.made.Load())
	await(t, a.receiver.snapshots)
	await(t, a.receiver.snapshots)

	source.continues.Store(false)
	a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
	require.Equal(t, uint64(200), await(t, arrivedB).Index)
	require.Equal(t, int32(2), source.made.Load())
	a.halt()
	require.Equal(t, int32(2), source.released.Load())
}

// Goal: a member that raft tells to take a newer snapshot than the one kept gets a newer one, and not for ever the old one,
// which may not know it as a member. Method: offer a snapshot, then one of an index beyond it.
func TestKeptCheckpointIsTooOldForRaft(t *testing.T) {
	source := newFakeSource(vfs.NewMem(), 1000)
	a := giver(t, 0xa, source)
	b, arrived := taker(t, 0xb, vfs.NewMem())
	introduce(a, b)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
	require.Equal(t, uint64(100), await(t, arrived).Index)
	await(t, a.receiver.snapshots)

	newer := msgSnap(a, b, 7)
	newer.Snapshot.Metadata.Index = new(uint64(150))
	a.Send([]*raftpb.Message{newer})
	require.Equal(t, uint64(200), await(t, arrived).Index)
}

// Goal: of two senders the one with the newer term prevails, whichever comes first, and a newer snapshot of the same
// sender replaces the older one. Method: hold the first transfer at its first piece, and offer the second.
func TestNewerSnapshotPrevails(t *testing.T) {
	for name, second := range map[string]struct {
		sameSender bool
		term       uint64
		prevails   bool
	}{
		"new leader":    {term: 8, prevails: true},
		"old leader":    {term: 6},
		"newer of same": {sameSender: true, term: 7, prevails: true},
	} {
		t.Run(name, func(t *testing.T) {
			source := newFakeSource(vfs.NewMem(), 1000)
			a, a2 := giver(t, 0xa, source), giver(t, 0xa2, newFakeSource(vfs.NewMem(), 2000))
			holding, release := make(chan struct{}), make(chan struct{})
			var once sync.Once
			faults(t, a, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				held := false
				if req.Header.Get("Range") != "" {
					once.Do(func() { held = true })
				}
				if held {
					close(holding)
					select {
					case <-release:
					case <-req.Context().Done():
					}
				}
				next.ServeHTTP(w, req)
			})
			fs := vfs.NewMem()
			b, arrived := taker(t, 0xb, fs)
			introduce(a, a2, b)
			other := a2
			if second.sameSender {
				other = a
			}
			sendUntilReceived(t, a, b, heartbeat(a, b, 1))
			sendUntilReceived(t, a2, b, heartbeat(a2, b, 1))
			a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
			await(t, holding)
			source.continues.Store(false)
			other.Send([]*raftpb.Message{msgSnap(other, b, second.term)})
			if second.prevails {
				got := await(t, arrived)
				require.Equal(t, other.receiver.id, got.From)
				require.Equal(t, second.term, got.Message.GetTerm())
				require.Equal(t, snapshotReport{0xb, true}, await(t, other.receiver.snapshots))
				close(release)
			} else {
				require.Equal(t, snapshotReport{0xb, false}, await(t, other.receiver.snapshots))
				close(release)
				require.Equal(t, uint64(0xa), await(t, arrived).From)
				require.Equal(t, snapshotReport{0xb, true}, await(t, a.receiver.snapshots))
			}
			b.halt()
			require.Empty(t, readDir(t, fs, "incoming"))
		})
	}
}

// Goal: a full disk at the receiver, and an installer that fails, fail the transfer, leave no files, and the next one
// works. Method: the file system refuses writes to the incoming files; the installer refuses once.
func TestSnapshotFailsCleanly(t *testing.T) {
	source := newFakeSource(vfs.NewMem(), 100_000)
	a := giver(t, 0xa, source)
	var full atomic.Bool
	full.Store(true)
	mem := vfs.NewMem()
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileWriteAt) {
			return syscall.ENOSPC
		}
		return nil
	}))
	b, arrived := taker(t, 0xb, fs)
	install := b.receiver.install
	b.receiver.install = func(context.Context, ReceivedSnapshot) error { return errors.New("not this one") }
	introduce(a, b)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	for _, why := range []string{syscall.ENOSPC.Error(), "not this one"} {
		a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
		require.Equal(t, snapshotReport{0xb, false}, await(t, a.receiver.snapshots))
		require.Contains(t, a.logged.String()+b.logged.String(), why)
		awaitTrue(t, func() bool { names, err := mem.List("incoming"); return err == nil && len(names) == 0 })
		full.Store(false)
		a.notices.Settled(0xb)
	}
	b.receiver.install = install
	a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
	await(t, arrived)
	require.Equal(t, snapshotReport{0xb, true}, await(t, a.receiver.snapshots))
}

// Goal: raft is told when there will be no snapshot. Method: a peer that is down, one that is unknown, a receiver without
// a directory, and a sender without a source.
func TestSnapshotThatCannotBeSentIsReported(t *testing.T) {
	source := newFakeSource(vfs.NewMem(), 10)
	a := giver(t, 0xa, source)
	nowhere := startNode(t, 0xb, nodeOptions{config: func(c *Config) { c.SnapshotDir = "" }})
	down := startNode(t, 0xc, nodeOptions{})
	unknown := &node{receiver: newFakeReceiver(0xd)}
	introduce(a, nowhere, down)
	sendUntilReceived(t, a, nowhere, heartbeat(a, nowhere, 1))
	down.halt()
	down.close()
	for _, to := range []*node{nowhere, down, unknown} {
		a.Send([]*raftpb.Message{msgSnap(a, to, 7)})
		require.Equal(t, snapshotReport{to.receiver.id, false}, await(t, a.receiver.snapshots))
	}
	nowhere.Send([]*raftpb.Message{msgSnap(nowhere, a, 7)})
	require.Equal(t, snapshotReport{0xa, false}, await(t, nowhere.receiver.snapshots))
}

// Goal: what a crash left of a snapshot is gone after the start. Method: put files there before.
func TestLeftoversAreRemovedAtStart(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("incoming/a-old", 0o700))
	require.NoError(t, writeFile(fs, "incoming/a-old/1.sst", []byte("x")))
	taker(t, 0xb, fs)
	require.Empty(t, readDir(t, fs, "incoming"))
}
