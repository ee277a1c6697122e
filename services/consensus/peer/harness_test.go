package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testCluster = 0xc1

// eventWait bounds how long a test waits for what must happen, also on a machine with far more to do than it can.
const eventWait = 2 * time.Minute

// patience is the longest silence on a stream, where a test is not about silence: a busy machine must not break one.
const patience = eventWait

// fakeReceiver is a member that keeps what it is told.
type fakeReceiver struct {
	cluster, id uint64
	step        func(*raftpb.Message)
	untrue      error // what Step answers
	install     func(context.Context, ReceivedSnapshot) error

	messages    chan *raftpb.Message
	unreachable chan uint64
	removedBy   chan uint64

	incarnation    uint64
	bootstrappedBy chan uint64
	down           chan uint64
	snapshots      chan snapshotReport
}

type snapshotReport struct {
	id uint64
	ok bool
}

func newFakeReceiver(id uint64) *fakeReceiver {
	return &fakeReceiver{
		cluster:     testCluster,
		id:          id,
		messages:    make(chan *raftpb.Message, 1<<16),
		unreachable: make(chan uint64, 1024),
		removedBy:   make(chan uint64, 1024),

		bootstrappedBy: make(chan uint64, 1024),
		down:           make(chan uint64, 1024),
		snapshots:      make(chan snapshotReport, 1024),
	}
}

func (f *fakeReceiver) ClusterID() uint64 { return f.cluster }
func (f *fakeReceiver) MemberID() uint64  { return f.id }

func (f *fakeReceiver) Incarnation() uint64          { return f.incarnation }
func (f *fakeReceiver) ReportBootstrapped(by uint64) { tell(f.bootstrappedBy, by) }

func (f *fakeReceiver) Step(m *raftpb.Message) error {
	if f.step != nil {
		f.step(m)
		return nil
	}
	if f.untrue != nil {
		return f.untrue
	}
	f.messages <- m
	return nil
}

// tell keeps value if there is room: what a test does not look at must not stop the transport.
func tell[T any](to chan T, value T) {
	select {
	case to <- value:
	default:
	}
}

func (f *fakeReceiver) ReportUnreachable(id uint64) { tell(f.unreachable, id) }
func (f *fakeReceiver) ReportDown(id uint64)        { tell(f.down, id) }
func (f *fakeReceiver) ReportRemoved(by uint64)     { tell(f.removedBy, by) }
func (f *fakeReceiver) ReportSnapshot(id uint64, ok bool) {
	tell(f.snapshots, snapshotReport{id, ok})
}

func (f *fakeReceiver) InstallSnapshot(ctx context.Context, s ReceivedSnapshot) error {
	if f.install == nil {
		return fmt.Errorf("no snapshot was expected")
	}
	return f.install(ctx, s)
}

// await returns the next value of ch.
func await[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(eventWait):
		t.Fatal("what must happen did not happen")
		panic("unreachable")
	}
}

// node is a transport that runs, with the listener that it is served on.
type node struct {
	*Transport
	t        *testing.T
	receiver *fakeReceiver
	address  string
	tls      *tls.Config
	halt     func() // ends Run
	close    func() // ends Serve
	logged   *logBuffer
}

// nodeOptions are what a test changes of a node.
type nodeOptions struct {
	config   func(*Config)
	receiver func(*fakeReceiver)
	source   SnapshotSource
	flush    time.Duration // 0 for flushMax
	server   *tls.Config
	address  string
	listener net.Listener // nil for one of TCP at address
}

func startNode(t *testing.T, id uint64, o nodeOptions) *node {
	t.Helper()
	n := &node{t: t, receiver: newFakeReceiver(id), tls: o.server, logged: &logBuffer{}}
	if o.receiver != nil {
		o.receiver(n.receiver)
	}
	listener := o.listener
	if listener == nil {
		listener = n.bind(o.address)
	}
	var advertised []string
	if n.address != "" {
		advertised = []string{n.url()}
	}
	cfg := Config{
		AdvertiseURLs:   advertised,
		ServerVersion:   fmt.Sprintf("test-%d", id),
		ElectionTimeout: patience,
		SnapshotDir:     t.TempDir(),
		Logger:          slog.New(slog.NewTextHandler(n.logged, nil)),
	}
	if o.config != nil {
		o.config(&cfg)
	}
	made, err := New(cfg)
	require.NoError(t, err)
	n.Transport = made
	if o.flush > 0 {
		made.flush = o.flush
	}
	n.serve(listener)
	n.run(o.source)
	return n
}

// bind opens the listener; "" is for a free port.
func (n *node) bind(address string) net.Listener {
	n.t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	require.NoError(n.t, err)
	n.address = listener.Addr().String()
	return listener
}

// serve serves the transport until close.
func (n *node) serve(listener net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- n.Serve(ctx, listener, n.tls) }()
	n.close = sync.OnceFunc(func() {
		cancel()
		require.NoError(n.t, <-served)
	})
}

func (n *node) url() string {
	if n.address == "" { // on a socket
		return n.cfg.AdvertiseURLs[0]
	}
	if n.tls != nil {
		return "https://" + n.address
	}
	return "http://" + n.address
}

func (n *node) run(source SnapshotSource) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, n.receiver, source) }()
	awaitTrue(n.t, func() bool {
		_, leave, ok := n.enter()
		if ok {
			leave()
		}
		return ok
	})
	n.halt = sync.OnceFunc(func() {
		cancel()
		require.NoError(n.t, <-ended)
	})
	n.t.Cleanup(func() {
		n.halt()
		n.close()
		if n.t.Failed() {
			fmt.Fprintf(os.Stderr, "log of member %x:\n%s", n.receiver.id, n.logged)
		}
	})
}

// introduce makes the nodes members of one cluster.
func introduce(nodes ...*node) {
	for _, n := range nodes {
		n.SetPeers(listed(nodes...))
	}
}

func listed(nodes ...*node) []*consensusv1.Member {
	var members []*consensusv1.Member
	for _, n := range nodes {
		members = append(members, &consensusv1.Member{
			Id: n.receiver.id, Name: "m" + identity.Format(n.receiver.id), PeerUrls: []string{n.url()}, ClientUrls: []string{"http://127.0.0.1:2379"},
		})
	}
	return members
}

func pair(t *testing.T) (a, b *node) {
	t.Helper()
	return pairOf(t, nodeOptions{})
}

func pairOf(t *testing.T, o nodeOptions) (a, b *node) {
	t.Helper()
	a, b = startNode(t, 0xa, o), startNode(t, 0xb, o)
	introduce(a, b)
	return a, b
}

// shortSilence is for tests that wait for a stream to be called silent.
func shortSilence(c *Config) { c.ElectionTimeout = silenceMin }

// heartbeat is a message that is urgent, appended one that is not; index tells them apart.
func heartbeat(from, to *node, index uint64) *raftpb.Message {
	return &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(from.receiver.id), To: new(to.receiver.id), Term: new(uint64(1)), Commit: new(index)}
}

func appended(from, to *node, index uint64, size int) *raftpb.Message {
	return &raftpb.Message{
		Type: raftpb.MsgApp.Enum(), From: new(from.receiver.id), To: new(to.receiver.id), Term: new(uint64(1)), Index: new(index),
		Entries: []*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(index + 1), Data: make([]byte, size)}},
	}
}

// sendUntilReceived sends m until it arrives: before, there may be no stream. Late copies of what was sent so before are passed over, and
// copies of m may come later.
func sendUntilReceived(t *testing.T, from, to *node, m *raftpb.Message) {
	t.Helper()
	deadline := time.After(eventWait)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		from.Send([]*raftpb.Message{m})
		select {
		case got := <-to.receiver.messages:
			if proto.Equal(got, m) {
				return
			}
		case <-deadline:
			t.Fatal("no message arrived")
		case <-ticker.C:
		}
	}
}

// logBuffer is a log that several goroutines write.
type logBuffer struct {
	mu struct {
		sync.Mutex
		text []byte
	}
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.text = append(b.mu.text, p...)
	return len(p), nil
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.mu.text)
}
