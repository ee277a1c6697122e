package broadcast

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/natsserver"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

// Goal: a message says which store it is of, heartbeats too, and those that say nothing are understood. Method: there and back.
func TestMessagesNameTheirStore(t *testing.T) {
	for name, m := range map[string]*Message{
		"heartbeat": {Follows: 7, Through: 7, Store: []byte("store")},
		"commits":   {Follows: 7, Through: 8, Commits: []*consensusv1.Commit{commitOf(8, "a")}, Store: []byte("store")},
		"unnamed":   {Follows: 7, Through: 8, Commits: []*consensusv1.Commit{commitOf(8, "a")}},
	} {
		encoded, err := m.appendTo(nil)
		require.NoError(t, err, name)
		decoded, err := decode(encoded)
		require.NoError(t, err, name)
		require.Equal(t, m.Store, decoded.Store, name)
		require.Equal(t, m.Through, decoded.Through, name)
		require.Len(t, decoded.Commits, len(m.Commits), name)
	}
}

func commitOf(revision int64, value string) *consensusv1.Commit {
	return &consensusv1.Commit{Revision: revision, Events: []*consensusv1.Event{{
		Kv: &mvccpb.KeyValue{Key: []byte("k"), Value: []byte(value), ModRevision: revision, CreateRevision: 1, Version: revision},
	}}}
}

func openBus(t *testing.T, payloadBytesMax int) *Bus {
	t.Helper()
	bus, err := Open(Config{Logger: slog.New(slog.DiscardHandler), PayloadBytesMax: payloadBytesMax})
	require.NoError(t, err)
	t.Cleanup(bus.Close)
	return bus
}

// kinds opens each kind of broadcast that there can be between an ingester and a node.
var kinds = map[string]func(t *testing.T) Broadcast{
	"local":       func(*testing.T) Broadcast { return NewLocal(1 << 20) },
	"bus":         func(t *testing.T) Broadcast { return openBus(t, 1<<20) },
	"two members": func(t *testing.T) Broadcast { return openAcross(t) },
}

// across is what an ingester in one process and a node in another have between them.
type across struct {
	*Bus // the ingester's
	node *Bus
}

// openAcross opens it and waits until each hears the other.
func openAcross(t testing.TB) across {
	t.Helper()
	first := openRouted(t, &natsserver.Routes{})
	a := across{first, openRouted(t, &natsserver.Routes{Peers: []string{first.server.RouteAddress().String()}})}
	receiveThrough(t, a.Bus, a.node)
	receiveThrough(t, a.node, a.Bus)
	// What was published for that is behind them once each has heard what both said last.
	for _, from := range []*Bus{a.Bus, a.node} {
		_, err := from.Publish(&Message{Store: []byte("last")})
		require.NoError(t, err)
	}
	for _, to := range []*Bus{a.Bus, a.node} {
		for heard := 0; heard < 2; {
			m, err := to.Receive(t.Context())
			require.NoError(t, err)
			if string(m.Store) == "last" {
				heard++
			}
		}
	}
	return a
}

func (a across) Receive(ctx context.Context) (*Message, error) { return a.node.Receive(ctx) }
func (a across) Announce(watching bool) error                  { return a.node.Announce(watching) }

func (a across) Close() {
	a.Bus.Close()
	a.node.Close()
}

// Goal: what is published is received, in order, and an end leaves nothing behind. Method: each kind, NATS with its real
// server and client; a batch, a notice and a heartbeat; goleak after Close.
func TestPublishReceiveClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			bus := open(t)
			sent := []*Message{
				{Follows: 4, Through: 6, Commits: []*consensusv1.Commit{commitOf(5, "a"), commitOf(6, "b")}},
				{Follows: 6, Through: 9},
				{Follows: 9, Through: 9},
			}
			for _, m := range sent {
				_, err := bus.Publish(m)
				require.NoError(t, err)
			}
			for _, want := range sent {
				got, err := bus.Receive(t.Context())
				require.NoError(t, err)
				require.Equal(t, want.Follows, got.Follows)
				require.Equal(t, want.Through, got.Through)
				require.Len(t, got.Commits, len(want.Commits))
				for i := range want.Commits {
					require.True(t, proto.Equal(want.Commits[i], got.Commits[i]))
				}
			}
			bus.Close()
			bus.Close()
			_, err := bus.Receive(t.Context())
			require.Error(t, err)
			_, err = bus.Publish(sent[0])
			require.Error(t, err)
		})
	}
}

// awaitWaiting waits until so many messages that must stay apart are there to be received.
func awaitWaiting(t *testing.T, b Broadcast, messages int) {
	t.Helper()
	if a, ok := b.(across); ok {
		require.Eventually(t, func() bool {
			a.node.local.mu.Lock()
			defer a.node.local.mu.Unlock()
			return len(a.node.local.mu.waiting) == messages
		}, 10*time.Second, time.Millisecond)
	}
}

// Goal: what a process publishes comes to its own node as it is and once, also where other nodes hear of it, and by theirs where
// those publish. Method: two routed buses, whose commits are known by their places in memory.
func TestOwnMessagesAreHandedOver(t *testing.T) {
	a := openAcross(t)
	receive := func(bus *Bus) *Message {
		m, err := bus.Receive(t.Context())
		require.NoError(t, err)
		return m
	}
	own := commitOf(1, "a")
	_, err := a.Publish(&Message{Through: 1, Commits: []*consensusv1.Commit{own}})
	require.NoError(t, err)
	require.Same(t, own, receive(a.Bus).Commits[0])
	require.True(t, proto.Equal(own, receive(a.node).Commits[0]))
	_, err = a.node.Publish(&Message{Follows: 1, Through: 2, Commits: []*consensusv1.Commit{commitOf(2, "b")}})
	require.NoError(t, err)
	require.EqualValues(t, 2, receive(a.Bus).Through, "not its own once more")
}

// Goal: commits that wait are received as one message where they follow each other and are of one store, up to a bound; nothing else is,
// and what was published is not changed. Method: each kind, all that must stay apart between what goes together.
func TestWhatFollowsIsReceivedAsOne(t *testing.T) {
	large := string(make([]byte, joinedBytesMax))
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			bus := open(t)
			t.Cleanup(bus.Close)
			commits := []*consensusv1.Commit{commitOf(1, "a"), commitOf(2, "b"), commitOf(3, "c"), commitOf(4, "d")}
			published := []*Message{
				{Follows: 0, Through: 1, Commits: commits[:1]},
				{Follows: 1, Through: 3, Commits: commits[1:3]},
				{Follows: 3, Through: 4, Commits: commits[3:]},
				{Follows: 4, Through: 4}, // a heartbeat
				{Follows: 4, Through: 5, Commits: []*consensusv1.Commit{commitOf(5, "e")}},
				{Follows: 6, Through: 7, Commits: []*consensusv1.Commit{commitOf(7, "g")}}, // after a gap
				{Follows: 7, Through: 8, Commits: []*consensusv1.Commit{commitOf(8, "h")}},
				{Follows: 8, Through: 9, Commits: []*consensusv1.Commit{commitOf(9, "i")}, Store: []byte("other")},
				{Follows: 9, Through: 10, Commits: []*consensusv1.Commit{commitOf(10, large)}, Store: []byte("other")},
				{Follows: 10, Through: 11, Commits: []*consensusv1.Commit{commitOf(11, "k")}, Store: []byte("other")},
			}
			for _, m := range published {
				_, err := bus.Publish(m)
				require.NoError(t, err)
			}
			awaitWaiting(t, bus, 7)
			var got [][2]int64
			for through := int64(0); through < 11; {
				m, err := bus.Receive(t.Context())
				require.NoError(t, err)
				require.NoError(t, m.check())
				got = append(got, [2]int64{m.Follows, m.Through})
				through = m.Through
			}
			require.Equal(t, [][2]int64{{0, 4}, {4, 4}, {4, 5}, {6, 8}, {8, 9}, {9, 10}, {10, 11}}, got)
			require.Equal(t, int64(4), commits[3].Revision)
			require.Len(t, published[0].Commits, 1)
		})
	}
}

// Goal: what nobody receives is bounded in number and in bytes, its loss shows, and one message goes through however large it
// is. Method: publish far more than is kept, then take it all.
func TestLocalKeepsNoMoreThanItsBounds(t *testing.T) {
	receive := func(bus *Local) *Message {
		m, err := bus.Receive(t.Context())
		require.NoError(t, err)
		return m
	}
	one := commitOf(1, string(make([]byte, 1<<20)))
	for name, bound := range map[string]struct {
		commits func(revision int64) []*consensusv1.Commit
		kept    int
	}{
		"number": {func(int64) []*consensusv1.Commit { return nil }, pendingMessagesMax},
		// What is beside a value counts too.
		"bytes": {func(revision int64) []*consensusv1.Commit {
			return []*consensusv1.Commit{{Revision: revision, Events: one.Events}}
		}, pendingPayloadsMax - 1},
	} {
		t.Run(name, func(t *testing.T) {
			bus := NewLocal(1 << 20)
			published := int64(2 * pendingMessagesMax)
			for through := int64(1); through <= published; through++ {
				_, err := bus.Publish(&Message{Follows: through - 1, Through: through, Commits: bound.commits(through)})
				require.NoError(t, err)
			}
			for through := int64(1); through <= int64(bound.kept); through++ {
				require.Equal(t, through, receive(bus).Through)
			}
			large := commitOf(published+1, string(make([]byte, 2*pendingPayloadsMax<<20)))
			_, err := bus.Publish(&Message{Follows: published, Through: published + 1, Commits: []*consensusv1.Commit{large}})
			require.NoError(t, err)
			got := receive(bus)
			require.Equal(t, published, got.Follows, "shows that something is missing")
			require.Len(t, got.Commits, 1)
		})
	}
}

// Goal: a message over the limit is refused before it reaches NATS, which would cut the connection. Method: one value
// as large as the limit, then a small one that still arrives.
func TestPublishRefusesTooLarge(t *testing.T) {
	bus := openAcross(t)
	_, err := bus.Publish(&Message{Through: 1, Commits: []*consensusv1.Commit{commitOf(1, string(make([]byte, 1<<20)))}})
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = bus.Publish(&Message{Through: 1})
	require.NoError(t, err)
	got, err := bus.Receive(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Through)
}

// Goal: a server that throws its client out, as it does with slow ones, costs messages but not the broadcast. Method:
// disconnect from the server's side, then publish until something is received.
func TestReconnect(t *testing.T) {
	bus := openAcross(t)
	id, err := bus.conn.GetClientID()
	require.NoError(t, err)
	require.NoError(t, bus.server.NATS.DisconnectClientByID(id))
	for through := int64(1); ; through++ {
		_, err := bus.Publish(&Message{Through: through})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		got, err := bus.Receive(ctx)
		cancel()
		if err == nil {
			require.LessOrEqual(t, got.Through, through)
			break
		}
		require.Less(t, through, int64(100), "%v", err)
	}
	again, err := bus.conn.GetClientID()
	require.NoError(t, err)
	require.NotEqual(t, id, again)
}

// Goal: an announcement wakes the ingester and is forgotten when withdrawn. Method: through each kind, waiting for the token.
func TestAnnounce(t *testing.T) {
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			bus := open(t)
			require.False(t, bus.Interested())
			require.NoError(t, bus.Announce(true))
			<-bus.InterestChanged()
			require.True(t, bus.Interested())
			require.NoError(t, bus.Announce(false))
			require.Eventually(t, func() bool { return !bus.Interested() }, 10*time.Second, time.Millisecond)
			require.NoError(t, bus.Announce(true))
			<-bus.InterestChanged()
		})
	}
}

// Goal: a node that falls silent stops counting, and one that withdraws at once. Method: the table with made-up times.
func TestInterestExpires(t *testing.T) {
	i, start := newInterest(), time.Now()
	i.heard(encodeInterest(1, true, false), start)
	i.heard(encodeInterest(2, true, false), start)
	i.heard([]byte("nonsense"), start)
	require.True(t, i.any(start.Add(interestTTL-1)))
	i.heard(encodeInterest(2, true, false), start.Add(interestTTL-1))
	require.True(t, i.any(start.Add(interestTTL)))
	i.heard(encodeInterest(2, false, false), start.Add(interestTTL))
	require.False(t, i.any(start.Add(interestTTL)))
}

// Goal: no bytes make decode panic or yield commits that are not gapless. Method: fuzzing from valid messages; what
// decodes must encode to something that decodes to the same.
func FuzzDecode(f *testing.F) {
	for _, m := range []*Message{{Follows: 1, Through: 1}, {Follows: 1, Through: 3}, {Follows: 4, Through: 5, Commits: []*consensusv1.Commit{commitOf(5, "x")}}} {
		data, err := m.appendTo(nil)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decode(data)
		if err != nil {
			require.ErrorIs(t, err, errMalformed)
			return
		}
		for i, commit := range m.Commits {
			require.Equal(t, m.Follows+int64(i)+1, commit.Revision)
		}
		again, err := m.appendTo(nil)
		require.NoError(t, err)
		_, err = decode(again)
		require.NoError(t, err)
	})
}

// BenchmarkBatch shows what a batch of one commit of 256 bytes costs from Publish to Receive, in another process by NATS and in this one.
// Run: go test -bench Batch ./internal/broadcast
func BenchmarkBatch(b *testing.B) {
	commit := commitOf(1, string(make([]byte, 256)))
	for name, bus := range map[string]Broadcast{"nats": openAcross(b), "local": NewLocal(1 << 20)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bus.Publish(&Message{Through: 1, Commits: []*consensusv1.Commit{commit}}); err != nil {
					b.Fatal(err)
				}
				if _, err := bus.Receive(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCodec shows what encoding and decoding cost of that.
// Run: go test -bench Codec ./internal/broadcast
func BenchmarkCodec(b *testing.B) {
	commit := commitOf(1, string(make([]byte, 256)))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = (&Message{Through: 1, Commits: []*consensusv1.Commit{commit}}).appendTo(buf[:0])
		if _, err := decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}
