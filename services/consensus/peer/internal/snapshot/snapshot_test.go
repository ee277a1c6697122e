package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/metrics"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/notices"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNetwork has one member, behind a server.
type fakeNetwork struct {
	url    string
	client *http.Client
}

func (f fakeNetwork) HTTPClient(uint64) *http.Client { return f.client }
func (f fakeNetwork) URL(uint64) (string, bool)      { return f.url, true }
func (f fakeNetwork) AdvertiseURLs() []string        { return []string{f.url} }

// fakeMember is member b, which is told nothing.
type fakeMember struct{}

func (fakeMember) MemberID() uint64                                { return 0xb }
func (fakeMember) ReportSnapshot(uint64, bool)                     {}
func (fakeMember) InstallSnapshot(context.Context, Received) error { return nil }

// fakeSource makes checkpoints of files of random bytes.
type fakeSource struct {
	fs    vfs.FS
	files map[string][]byte
}

func newFakeSource(sizes ...int) *fakeSource {
	s := &fakeSource{fs: vfs.NewMem(), files: map[string][]byte{}}
	random := rand.NewChaCha8([32]byte{1})
	for i, size := range sizes {
		content := make([]byte, size)
		_, _ = random.Read(content) // never fails
		s.files[fmt.Sprintf("%06d.sst", i)] = content
	}
	return s
}

func (s *fakeSource) Continues(uint64) bool { return true }

func (s *fakeSource) Checkpoint(context.Context) (dir string, index, term uint64, release func(), err error) {
	if err := s.fs.MkdirAll("checkpoint", 0o700); err != nil {
		return "", 0, 0, nil, err
	}
	for name, content := range s.files {
		f, err := s.fs.Create(s.fs.PathJoin("checkpoint", name), vfs.WriteCategoryUnspecified)
		if err != nil {
			return "", 0, 0, nil, err
		}
		_, err = f.Write(bytes.Clone(content)) // a vfs.File may change what it is given
		if err = errors.Join(err, f.Close()); err != nil {
			return "", 0, 0, nil, err
		}
	}
	return "checkpoint", 100, 7, func() {}, nil
}

// config is one without a rate, for files in fs.
func config(fs vfs.FS) Config {
	log := slog.New(slog.DiscardHandler)
	return Config{FS: fs, Dir: "incoming", BytesPerSecond: -1, Log: log, Notices: notices.New(log), Metrics: metrics.New()}
}

// Goal: a transfer of the same snapshot goes on where an earlier one broke. Method: a pull that ends in the middle of a
// file, and another with what that one got.
func TestTransferGoesOnWhereItBroke(t *testing.T) {
	source := newFakeSource(pieceBytes, 3*pieceBytes)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := NewSender(t.Context(), config(source.fs), fakeNetwork{}, fakeMember{}, source)
	c, err := s.acquire(t.Context(), 0)
	require.NoError(t, err)
	defer s.drop(c)
	s.mu.transfers[0xb] = &transfer{to: 0xb, checkpoint: c, touched: make(chan struct{}, 1), ended: make(chan error, 1)}

	var served atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.PathSnapshot+"{id}", func(w http.ResponseWriter, req *http.Request) { s.ServeManifest(0xb, w, req) })
	mux.HandleFunc("GET "+wire.PathSnapshot+"{id}/{file}", func(w http.ResponseWriter, req *http.Request) {
		if served.Add(1) == 3 {
			cancel()
			panic(http.ErrAbortHandler)
		}
		s.ServeFile(0xb, w, req)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	fs := vfs.NewMem()
	got := &arrived{dir: "incoming/part", verified: map[string]int64{}, synced: map[string]bool{}}
	p := &pull{cfg: config(fs), network: fakeNetwork{server.URL, server.Client()}, from: 0xa, id: c.manifest.ID, got: got}
	var broken *brokenTransfer
	require.ErrorAs(t, p.all(ctx), &broken)
	require.Equal(t, int32(3), served.Load())
	require.NoError(t, p.all(t.Context()))
	require.Equal(t, int32(5), served.Load(), "a piece that had arrived was fetched again")
	names, err := fs.List(got.dir)
	require.NoError(t, err)
	require.Len(t, names, len(source.files))
	for name, content := range source.files {
		f, err := fs.Open(fs.PathJoin(got.dir, name))
		require.NoError(t, err)
		read := make([]byte, len(content))
		_, err = f.ReadAt(read, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.True(t, bytes.Equal(content, read), name)
	}
}

// Goal: however many snapshots are offered at a time, a bounded number is considered, and the rest is no sender's of ours.
// Method: offers of falling terms by a sender that nobody answers for.
func TestOffersUnderConsiderationAreBounded(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	k := NewTaker(ctx, config(vfs.NewMem()), fakeNetwork{"http://" + silent.Addr().String(), &http.Client{Transport: &http.Transport{}}}, fakeMember{}, &working)
	refused := 0
	for i := range uint64(10 * takesMax) {
		message, err := proto.Marshal(&raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: new(uint64(0xa)), To: new(uint64(0xb)), Term: new(100 - i)})
		require.NoError(t, err)
		payload, err := json.Marshal(offer{ID: fmt.Sprintf("x%d", i), Message: message})
		require.NoError(t, err)
		if err := k.Consider(0xa, payload); err != nil {
			require.ErrorIs(t, err, wire.ErrBadFrame)
			require.ErrorContains(t, err, "under consideration")
			refused++
		}
		k.mu.Lock()
		require.LessOrEqual(t, k.mu.takes, takesMax)
		k.mu.Unlock()
	}
	require.Equal(t, 9*takesMax, refused)
	cancel()
	working.Wait()
	require.NoError(t, k.Close())
}

// Goal: a receiver that vanishes is given up in time, and one that keeps asking is not. Method: the sender's wait, in a
// bubble of time.
func TestSilentReceiverIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Sender{ctx: t.Context()}
		tr := &transfer{touched: make(chan struct{}, 1), ended: make(chan error, 1)}
		begin := time.Now()
		go func() {
			for range 10 {
				<-time.After(transferIdleMax / 2)
				tr.touched <- struct{}{}
			}
		}()
		require.ErrorContains(t, s.await(tr), "asked for nothing")
		require.Equal(t, 6*transferIdleMax, time.Since(begin))
	})
}

// Goal: the rate holds however many ask, and of idle time no more than a piece is saved up. Method: wait in a bubble of time.
func TestPaceHoldsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(2 * pieceBytes)
		<-time.After(time.Hour)
		begin := time.Now()
		var waiting sync.WaitGroup
		for range 11 {
			waiting.Go(func() { require.NoError(t, p.WaitN(t.Context(), pieceBytes)) })
		}
		waiting.Wait()
		require.Equal(t, 5*time.Second, time.Since(begin))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, p.WaitN(ctx, 1), context.Canceled)
		require.NoError(t, newPace(-1).WaitN(t.Context(), pieceBytes))
		require.Equal(t, 5*time.Second, time.Since(begin), "no bound")
	})
}

// Goal: a manifest cannot make files outside the receiver's directory, nor a request read outside the checkpoint. Method:
// names that try; ranges that do not fit.
func TestManifestStaysInItsDirectory(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "a\\b", "a\x00b"} {
		require.Error(t, manifest{Files: []manifestFile{{Name: name, Size: 1}}}.check(), "%q", name)
	}
	require.Error(t, manifest{}.check())
	require.Error(t, manifest{Files: []manifestFile{{Name: "a", Size: -1}}}.check())
	require.Error(t, manifest{Files: []manifestFile{{Name: "a"}, {Name: "a"}}}.check())
	require.NoError(t, manifest{Files: []manifestFile{{Name: "MANIFEST-000001", Size: 1}}}.check())
	for _, header := range []string{"", "bytes=0-", "bytes=-5", "bytes=5-4", "bytes=0-100", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", fmt.Sprintf("bytes=0-%d", pieceBytes)} {
		_, _, err := parseRange(header, 100)
		require.Error(t, err, header)
	}
	first, last, err := parseRange("bytes=10-99", 100)
	require.NoError(t, err)
	require.Equal(t, []int64{10, 99}, []int64{first, last})
}

// Goal: a manifest whose sizes overflow, or are more than any disk holds, is none: the room for it was not checked. Method:
// two files of half the largest number and one of a little.
func TestManifestOfNonsenseIsRefused(t *testing.T) {
	m := manifest{ID: "x", Files: []manifestFile{{"a", math.MaxInt64}, {"b", math.MaxInt64}, {"c", 3}}}
	require.ErrorContains(t, m.check(), "more than")
	m = manifest{ID: "x", Files: []manifestFile{{"a", snapshotBytesMax}, {"b", 1}}}
	require.ErrorContains(t, m.check(), "more than")
	m = manifest{ID: "x", Files: []manifestFile{{"a", snapshotBytesMax - 1}, {"b", 1}}}
	require.NoError(t, m.check())
}
