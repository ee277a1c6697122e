package peer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/consensus/peer"
)

// eventWait bounds how long a test waits for what must happen.
const eventWait = 60 * time.Second

// replaceable lets a member keep its transport while a test restarts what is behind it.
type replaceable struct {
	current atomic.Pointer[peer.Transport]
	last    atomic.Pointer[[]*consensusv1.Member]
}

func (r *replaceable) Send(messages []*raftpb.Message) { r.current.Load().Send(messages) }
func (r *replaceable) SetRemoved(ids []uint64)         { r.current.Load().SetRemoved(ids) }
func (r *replaceable) SetPeers(members []*consensusv1.Member) {
	r.last.Store(&members)
	r.current.Load().SetPeers(members)
}

func (r *replaceable) OldestTransfer() (uint64, bool) { return r.current.Load().OldestTransfer() }

func (r *replaceable) ActiveSince(id uint64) (time.Time, bool) {
	return r.current.Load().ActiveSince(id)
}

// host is a member with its transport on a listener of its own.
type host struct {
	*consensus.Member
	t         *testing.T
	fs        vfs.FS
	address   string
	transport replaceable
	stop      context.CancelFunc
	ended     chan error
	unplug    func()
}

// cluster starts n members over loopback and waits until all serve.
func cluster(t *testing.T, n int) []*host {
	t.Helper()
	hosts := make([]*host, n)
	listeners := make([]net.Listener, n)
	var founders []*consensusv1.Member
	for i := range hosts {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners[i] = listener
		hosts[i] = &host{t: t, fs: vfs.NewMem(), address: listener.Addr().String(), ended: make(chan error, 1)}
		founders = append(founders, &consensusv1.Member{Id: uint64(i + 1), Name: fmt.Sprintf("m%d", i+1), PeerUrls: []string{"http://" + hosts[i].address}})
	}
	for i, h := range hosts {
		h.start(uint64(i+1), founders, listeners[i])
	}
	for _, h := range hosts {
		select {
		case <-h.Ready():
		case err := <-h.ended:
			t.Fatalf("a member ended: %v", err)
		case <-time.After(eventWait):
			t.Fatal("a member did not come up")
		}
	}
	return hosts
}

func (h *host) start(id uint64, founders []*consensusv1.Member, listener net.Listener) {
	h.t.Helper()
	h.transport.current.Store(h.newTransport())
	member, err := consensus.New(consensus.Config{
		DataDir: "data", Name: fmt.Sprintf("m%d", id), ClientURLs: []string{"http://127.0.0.1:2379"},
		ClusterID: 0xc1, MemberID: id, Members: founders,
		HeartbeatInterval: 20 * time.Millisecond, ElectionTicks: 10, SnapshotCount: 100, MemTableBytes: 1 << 20,
		FS: h.fs, Transport: &h.transport, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(h.t, err)
	h.Member = member
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	go func() { h.ended <- member.Run(ctx) }()
	h.plug(listener)
	h.t.Cleanup(func() {
		h.unplug()
		cancel()
		require.NoError(h.t, <-h.ended)
	})
}

func (h *host) newTransport() *peer.Transport {
	made, err := peer.New(peer.Config{
		AdvertiseURLs: []string{"http://" + h.address}, ServerVersion: "test",
		ElectionTimeout: 200 * time.Millisecond, SnapshotDir: "data/member/arriving", FS: h.fs,
	})
	require.NoError(h.t, err)
	return made
}

// plug runs the transport on the listener.
func (h *host) plug(listener net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	running := h.transport.current.Load()
	ended := make(chan error, 2)
	go func() { ended <- running.Run(ctx, h.Receiver(), h.Receiver()) }()
	go func() { ended <- running.Serve(ctx, listener, nil) }()
	h.unplug = sync.OnceFunc(func() {
		cancel()
		require.NoError(h.t, errors.Join(<-ended, <-ended))
	})
}

// replug puts a new transport in place of one that was unplugged.
func (h *host) replug() {
	h.t.Helper()
	listener, err := net.Listen("tcp", h.address)
	require.NoError(h.t, err)
	made := h.newTransport()
	made.SetPeers(*h.transport.last.Load())
	h.transport.current.Store(made)
	h.plug(listener)
}

// put writes until it is acknowledged: leadership may move meanwhile.
func (h *host) put(key, value string) {
	h.t.Helper()
	deadline, cancel := context.WithTimeout(h.t.Context(), eventWait)
	defer cancel()
	for {
		ctx, cancel := context.WithTimeout(deadline, 5*time.Second)
		_, err := h.Propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{
			Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), Value: []byte(value)}},
		}})
		cancel()
		if err == nil {
			return
		}
		require.NoError(h.t, deadline.Err(), "last error: %v", err)
	}
}

// get reads linearizably, until that is answered.
func (h *host) get(key string) string {
	h.t.Helper()
	deadline, cancel := context.WithTimeout(h.t.Context(), eventWait)
	defer cancel()
	for {
		ctx, cancel := context.WithTimeout(deadline, 5*time.Second)
		response, err := h.Range(ctx, &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte(key)}})
		cancel()
		if err == nil {
			require.Len(h.t, response.GetResult().GetKvs(), 1)
			return string(response.GetResult().GetKvs()[0].GetValue())
		}
		require.NoError(h.t, deadline.Err(), "last error: %v", err)
	}
}

// Goal: three members over real connections serve writes and reads each, and go on when the transport of one, and then of
// each other, is restarted. Method: write through each and read through all, around each restart.
func TestClusterSurvivesRestartsOfTransports(t *testing.T) {
	hosts := cluster(t, 3)
	round := func(name string, writers ...*host) {
		for i, writer := range writers {
			key := fmt.Sprintf("%s-%d", name, i)
			writer.put(key, name)
			for _, reader := range writers {
				require.Equal(t, name, reader.get(key))
			}
		}
	}
	round("start", hosts...)
	for i, h := range hosts {
		h.unplug()
		var others []*host
		for _, other := range hosts {
			if other != h {
				others = append(others, other)
			}
		}
		round(fmt.Sprintf("without %d", i), others...)
		h.replug()
		round(fmt.Sprintf("again with %d", i), hosts...)
	}
}

// Goal: a member that was away for longer than the log reaches back gets the state as files, while the others go on, and
// takes part again. Method: cut one off, write until the others' logs have been truncated above where it is, and plug it
// in.
func TestMemberCatchesUpBySnapshot(t *testing.T) {
	hosts := cluster(t, 3)
	hosts[0].put("before", "x")
	away, others := hosts[2], hosts[:2]
	require.Equal(t, "x", away.get("before"))
	away.unplug()
	status, err := away.Status(t.Context(), &consensusv1.StatusRequest{})
	require.NoError(t, err)
	behind := status.GetRaftAppliedIndex()
	value := string(make([]byte, 64<<10))
	n := 0
	for others[0].Receiver().Continues(behind) || others[1].Receiver().Continues(behind) {
		hosts[n%2].put(fmt.Sprintf("key%d", n%20), value)
		n++
		require.NoError(t, t.Context().Err())
	}
	others[0].put("after", "y")
	away.replug()
	require.Equal(t, "y", away.get("after"))
	require.Equal(t, value, away.get("key0"))
	away.put("through the one that was away", "z")
	require.Equal(t, "z", others[1].get("through the one that was away"))
	require.False(t, away.Receiver().Continues(behind), "the log reaches back to before: it did not come as files")
}
