package mvcc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// requireProto fails unless the messages are equal.
func requireProto(t *testing.T, want, got proto.Message, about any) {
	t.Helper()
	if !proto.Equal(want, got) {
		require.FailNow(t, "not equal", "about %v\nwant %v\ngot  %v", about, want, got)
	}
}

// requireRefusal fails unless both errors are the same refusal, or none.
func requireRefusal(t *testing.T, want, got error, about any) {
	t.Helper()
	if want == nil {
		require.NoError(t, got, "about %v", about)
		return
	}
	require.Truef(t, errors.Is(got, want), "want %v, got %v, about %v", want, got, about)
}

// requireAgrees compares all that can be asked of a store, with random questions where there are too many.
func requireAgrees(t *testing.T, g *generator, m *model, s *Store) {
	t.Helper()
	ctx := context.Background()
	require.Equal(t, m.revision(), s.Revision())
	require.Equal(t, m.compacted, s.CompactedRevision())
	require.Equal(t, m.epoch, s.LeaseEpoch())
	require.Equal(t, len(m.alarms), len(s.Alarms()))
	for i, a := range s.Alarms() {
		requireProto(t, m.alarms[i], a, "alarms")
	}
	for range 20 {
		op := g.rangeOp()
		want, wantErr := m.rangeAt(op)
		got, head, err := s.Range(ctx, op)
		requireRefusal(t, wantErr, err, op)
		require.Equal(t, m.revision(), head)
		if err == nil {
			requireProto(t, want, got, op)
			requireStream(t, g, s, op, want)
		}
	}
	requireReadTxn(t, g, m, s)
	requireHistory(t, g, m, s)
	requireLeases(t, m, s)
	requireVersions(t, m, s)
}

// requireStream reads op as a stream and compares it with the answer in one piece.
func requireStream(t *testing.T, g *generator, s *Store, op *consensusv1.RangeOp, want *consensusv1.RangeResult) {
	t.Helper()
	got := &consensusv1.RangeResult{}
	for stream := NewRangeStream(op, 1+g.IntN(400)); !stream.Done(); {
		chunk, err := stream.Next(context.Background(), s)
		require.NoError(t, err)
		require.Zero(t, got.GetCount(), "a chunk after the last")
		got.Kvs = append(got.Kvs, chunk.GetKvs()...)
		got.Count, got.More = chunk.GetCount(), chunk.GetMore()
		require.Equal(t, s.Revision(), stream.Head())
	}
	requireProto(t, want, got, op)
}

func requireReadTxn(t *testing.T, g *generator, m *model, s *Store) {
	t.Helper()
	op := g.txn(2, false)
	m.draft = m.states[m.revision()]
	wantErr := m.check(op)
	got, _, err := NewMachine(s).ReadTxn(context.Background(), op)
	requireRefusal(t, wantErr, err, op)
	if err == nil {
		requireProto(t, m.txn(op), got, op)
	}
}

func requireHistory(t *testing.T, g *generator, m *model, s *Store) {
	t.Helper()
	from, to := max(m.compacted, m.revision()-int64(g.IntN(20))), max(1, m.revision()-int64(g.IntN(3)))
	var key, end []byte
	if g.one(2) {
		key, end = g.key(), g.end()
	}
	var got []*consensusv1.Commit
	for next := from; next <= to; {
		commits, through, err := s.History(t.Context(), next, to, key, end, int64(1+g.IntN(500)))
		require.NoError(t, err)
		require.GreaterOrEqual(t, through, next)
		got, next = append(got, commits...), through+1
	}
	if len(key) == 0 {
		requireProtos(t, got, historyInParts(t, s, from, to))
	}
	want := m.history(from, to, key, end)
	require.Equal(t, len(want), len(got), "history of %q to %q from %d to %d", key, end, from, to)
	for i := range want {
		requireProto(t, want[i], got[i], fmt.Sprintf("history, compacted %d", m.compacted))
	}
}

// historyInParts reads the history of all keys in parts, and puts them together.
func historyInParts(t *testing.T, s *Store, from, to int64) (whole []*consensusv1.Commit) {
	t.Helper()
	open := false
	for sub := int64(0); from <= to; {
		parts, through, next, err := s.HistoryParts(t.Context(), from, sub, to, 300)
		require.NoError(t, err)
		if open && len(parts) > 0 && parts[0].GetRevision() == from {
			last := whole[len(whole)-1]
			require.Equal(t, from, last.GetRevision())
			last.Events = append(last.Events, parts[0].GetEvents()...)
			last.Tree = parts[0].GetTree()
			parts = parts[1:]
		}
		for _, part := range parts {
			require.LessOrEqual(t, len(part.GetEvents()), s.opts.commitEventsMax+1)
		}
		whole = append(whole, parts...)
		from, sub, open = through+1, next, next != 0
	}
	return whole
}

func requireProtos(t *testing.T, want, got []*consensusv1.Commit) {
	t.Helper()
	require.Equal(t, len(want), len(got))
	for i := range want {
		requireProto(t, want[i], got[i], "history in parts")
	}
}

func requireLeases(t *testing.T, m *model, s *Store) {
	t.Helper()
	leases, err := s.Leases(t.Context())
	require.NoError(t, err)
	require.Equal(t, len(m.leases), len(leases))
	for _, l := range leases {
		requireProto(t, m.leases[l.GetId()], l, "lease")
		keys, exists, err := s.LeaseKeys(t.Context(), l.GetId())
		require.NoError(t, err)
		require.True(t, exists)
		var want [][]byte
		for _, k := range m.keys(m.states[m.revision()], []byte{0}, []byte{0}) {
			if m.states[m.revision()][k].GetLease() == l.GetId() {
				want = append(want, []byte(k))
			}
		}
		require.Equal(t, want, keys)
	}
	_, exists, err := s.LeaseKeys(t.Context(), 99)
	require.NoError(t, err)
	require.False(t, exists)
}

// requireVersions compares what a snapshot holds with the commits that the model remembers.
func requireVersions(t *testing.T, m *model, s *Store) {
	t.Helper()
	type ver struct {
		revision, sub int64
		tombstone     bool
		key, value    string
	}
	var want, got []ver
	for revision, c := range m.commits {
		for sub, e := range c.GetEvents() {
			later := slices.ContainsFunc(m.commits[revision+1:max(revision+1, int(m.compacted)+1)], func(c *consensusv1.Commit) bool {
				return slices.ContainsFunc(c.GetEvents(), func(l *consensusv1.Event) bool {
					return string(l.GetKv().GetKey()) == string(e.GetKv().GetKey())
				})
			})
			// Of what one revision writes to a key, the last is its version.
			later = later || slices.ContainsFunc(c.GetEvents()[sub+1:], func(l *consensusv1.Event) bool {
				return string(l.GetKv().GetKey()) == string(e.GetKv().GetKey())
			})
			gone := e.GetType() == consensusv1.Event_DELETE && int64(revision) < m.compacted
			if !later && !gone {
				want = append(want, ver{int64(revision), int64(sub), e.GetType() == consensusv1.Event_DELETE, string(e.GetKv().GetKey()), string(e.GetKv().GetValue())})
			}
		}
	}
	v, err := s.View(context.Background())
	require.NoError(t, err)
	require.NoError(t, v.retained(context.Background(), v.revision, func(r *Row) error {
		got = append(got, ver{r.Revision, r.sub, r.Tombstone, string(r.Key), string(r.Value)})
		return nil
	}))
	require.NoError(t, v.Close())
	slices.SortFunc(got, func(a, b ver) int { return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.sub, b.sub)) })
	require.Equal(t, want, got)
}

// The store does what a naive model does, whatever the commands, however they fall into batches, however far compaction
// is, and over restarts. Random commands go to the model and to two stores with different batches, only one of which
// removes what is compacted, and takes a deletion of three keys for one of very many; all that they answer and hold is
// compared.
func TestStoreAgreesWithModel(t *testing.T) {
	const rounds, batches = 12, 120
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			m := newModel()
			g := &generator{Rand: rand.New(rand.NewPCG(uint64(round), 1)), m: m}
			fs := vfs.NewMem()
			s := openSmall(t, fs)
			other, err := Open(Config{Dir: "state", FS: vfs.NewMem(), usageMarkBytes: 500})
			require.NoError(t, err)
			index := uint64(0)
			for range batches {
				b := begin(s)
				for range 1 + g.IntN(8) {
					c := g.command()
					index++
					applyBoth(t, m, s, b, c)
					b.SetApplied(index, 1)
					ob := begin(other)
					ob.Answers(!g.one(2))
					_, _, _ = ob.Apply(c)
					ob.SetApplied(index, 1)
					require.NoError(t, ob.Commit())
				}
				require.NoError(t, b.Commit())
				switch g.IntN(10) {
				case 0:
					require.NoError(t, s.Close())
					s = openSmall(t, fs)
				case 1, 2:
					require.NoError(t, s.compactNow())
				case 3:
					if s.compaction.progress.finished < s.CompactedRevision() {
						require.NoError(t, compactChunk(s, context.Background(), 1+g.IntN(5)))
					}
				case 4:
					require.NoError(t, s.Flush())
				}
				if g.one(4) {
					requireAgrees(t, g, m, s)
					requireHashes(t, g, m, s, other)
				}
				requireSameDigests(t, s, other)
				requireUsage(t, s, other)
			}
			require.NoError(t, s.Close())
			require.NoError(t, other.Close())
		})
	}
}

// applyBoth applies a command to the model and the batch, and compares their answers.
func applyBoth(t *testing.T, m *model, s *Store, b Commands, c *consensusv1.Command) {
	t.Helper()
	want, wantCommit, wantErr := m.apply(c)
	got, gotCommit, err := b.Apply(c)
	requireRefusal(t, wantErr, err, c)
	if err == nil {
		requireProto(t, want, got, c)
		if gotCommit.GetLeftOut() {
			require.Greater(t, len(wantCommit.GetEvents()), s.opts.commitEventsMax)
			wantCommit = &consensusv1.Commit{Revision: wantCommit.GetRevision(), LeftOut: true}
		}
		requireProto(t, wantCommit, gotCommit, c)
	}
}

func requireHashes(t *testing.T, g *generator, m *model, s, other *Store) {
	t.Helper()
	revision := m.compacted + int64(g.IntN(int(m.revision()-m.compacted)+1))
	hash, compacted, hashed, err := s.HashKV(context.Background(), revision)
	require.NoError(t, err)
	otherHash, otherCompacted, otherHashed, err := other.HashKV(context.Background(), revision)
	require.NoError(t, err)
	require.Equal(t, []int64{int64(otherHash), otherCompacted, otherHashed}, []int64{int64(hash), compacted, hashed})
}

// openSmall opens a store whose memtables are small, so that some tests meet files too.
func openSmall(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "state", FS: fs, MemTableBytes: 64 << 10, CacheBytes: 1 << 20, usageMarkBytes: 500, bulkKeysMin: 2, commitEventsMax: 3})
	require.NoError(t, err)
	return s
}

// compactNow walks to the end of what is compacted.
func (s *Store) compactNow() error {
	for s.compaction.progress.finished < s.CompactedRevision() {
		if err := compactChunk(s, context.Background(), 7); err != nil {
			return err
		}
	}
	return nil
}
