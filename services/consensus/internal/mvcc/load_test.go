package mvcc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// contentOf is what a store holds, versions in the order of revisions as in a snapshot's file, and those that their revision overwrote too.
func contentOf(t *testing.T, s *Store) *Content {
	t.Helper()
	sn, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, sn.Close()) }()
	var versions []LoadVersion
	require.NoError(t, sn.Versions(t.Context(), func(sub, expiration int64, tombstone bool, kv *mvccpb.KeyValue) error {
		versions = append(versions, LoadVersion{Sub: sub, Row: Row{Key: slices.Clone(kv.GetKey()), Revision: kv.GetModRevision(), Record: Record{
			Create: kv.GetCreateRevision(), Version: kv.GetVersion(), Lease: kv.GetLease(), Value: slices.Clone(kv.GetValue()), Tombstone: tombstone, Expiration: expiration,
		}}})
		return nil
	}))
	require.NoError(t, sn.v.changes(sn.CompactedRevision(), sn.Revision(), func(revision, sub int64, c *change) error {
		if c.overwritten {
			r := Row{Key: slices.Clone(c.key), Revision: revision, Record: c.record}
			r.Value = slices.Clone(r.Value)
			versions = append(versions, LoadVersion{Row: r, Sub: sub})
		}
		return nil
	}))
	slices.SortFunc(versions, func(a, b LoadVersion) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Sub, b.Sub))
	})
	leases, err := sn.Leases()
	require.NoError(t, err)
	c := &Content{Revision: sn.Revision(), Compacted: sn.CompactedRevision(), Versions: eachOf(versions), Leases: each(leases), Records: map[string][]byte{}}
	require.NoError(t, sn.Records(func(name string, value []byte) error {
		c.Records[name] = slices.Clone(value)
		return nil
	}))
	var dirs []LoadDir
	require.NoError(t, sn.Dirs(t.Context(), func(path []byte, d *Dir) error {
		dirs = append(dirs, LoadDir{slices.Clone(path), *d})
		return nil
	}))
	var times []LoadTime
	require.NoError(t, sn.Times(t.Context(), func(revision, nanoseconds int64) error {
		times = append(times, LoadTime{revision, nanoseconds})
		return nil
	}))
	c.Dirs, c.Times = each(dirs), each(times)
	return c
}

func each[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// eachOf yields pointers, each to a copy.
func eachOf(all []LoadVersion) iter.Seq2[*LoadVersion, error] {
	return func(yield func(*LoadVersion, error) bool) {
		for _, one := range all {
			if !yield(&one, nil) {
				return
			}
		}
	}
}

// loadSmall loads a content into a store of tests.
func loadSmall(t *testing.T, c *Content) (*Store, Loaded) {
	t.Helper()
	fs, sortDir := vfs.NewMem(), t.TempDir()
	// Most of what is sorted goes to files, and rows to many tables.
	loaded, err := Load(t.Context(), Config{Dir: "state", FS: fs, usageMarkBytes: 500, loadRunBytes: 300, loadBucketBytes: 2000, loadTableBytes: 2000, loadParts: 3}, sortDir, c)
	require.NoError(t, err)
	left, err := os.ReadDir(sortDir)
	require.NoError(t, err)
	require.Empty(t, left)
	s := openSmall(t, fs)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, loaded
}

// Goal: a loaded store answers everything as the one from which its content came, and goes on alike: ranges at all revisions, history, counts,
// leases, usage, digest. Method: random commands, a load, a comparison with the model, and more commands on what was loaded; with what is
// compacted removed, or still there.
func TestLoadedStoreAgreesWithModel(t *testing.T) {
	for round := range 16 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			m := newModel()
			g := &generator{Rand: rand.New(rand.NewPCG(uint64(round), 7)), m: m}
			s := openSmall(t, vfs.NewMem())
			defer func() { require.NoError(t, s.Close()) }()
			more := func(s *Store) {
				for range 20 {
					index, _ := s.Applied()
					b := begin(s)
					for range 1 + g.IntN(8) {
						index++
						applyBoth(t, m, s, b, g.command())
						b.SetApplied(index, 1)
					}
					require.NoError(t, b.Commit())
				}
			}
			for range 3 {
				more(s)
				m.alarms, m.epoch = nil, 0
				for _, commit := range m.commits { // what changes meant to v2's watchers stays behind
					if commit != nil {
						commit.Tree = nil
					}
				}
				loaded, counted := loadSmall(t, contentOf(t, s))
				require.Equal(t, counted.Keys, loaded.state.Load().counts.Keys())
				requireAgrees(t, g, m, loaded)
				requireUsage(t, loaded)
				require.NoError(t, loaded.Verify(t.Context(), atOnce))
				if len(s.Alarms()) == 0 {
					require.Equal(t, s.state.Load().sum, loaded.state.Load().sum)
				}
				again, _ := loadSmall(t, contentOf(t, loaded))
				require.Equal(t, loaded.state.Load().position, again.state.Load().position)
				s = loaded
				more(s)
				requireAgrees(t, g, m, s)
				require.NoError(t, s.compactNow())
				requireAgrees(t, g, m, s)
				requireUsage(t, s)
				require.NoError(t, s.Verify(t.Context(), atOnce))
			}
		})
	}
}

// rowsOf are a store's rows of some spaces, each with its value.
func rowsOf(t *testing.T, s *Store, of ...space) (rows []string) {
	t.Helper()
	for _, of := range of {
		lower, upper := of.bounds()
		require.NoError(t, s.each(lower, upper, func(key, value []byte) error {
			rows = append(rows, fmt.Sprintf("%q %q", key, value))
			return nil
		}))
	}
	return rows
}

// placed is a content whose values are in a file too, each longer than what is not left there.
func placed(t *testing.T, c *Content) *Content {
	t.Helper()
	in := *c
	in.File = []byte("begin")
	var versions []LoadVersion
	for v, err := range c.Versions {
		require.NoError(t, err)
		if !v.Tombstone && len(v.Value) > 0 {
			v.Place = int64(len(in.File))
			in.File = append(in.File, v.Value...)
		}
		versions = append(versions, *v)
	}
	in.Versions = eachOf(versions)
	in.VersionsFrom = func(revision int64) iter.Seq2[*LoadVersion, error] {
		return eachOf(slices.DeleteFunc(slices.Clone(versions), func(v LoadVersion) bool { return v.Revision < revision }))
	}
	in.Sample = func(n int) (samples []LoadSample) {
		for i := range min(n, len(versions)) {
			v := versions[i*len(versions)/n]
			samples = append(samples, LoadSample{v.Revision, v.Key})
		}
		return samples
	}
	return &in
}

// Goal: what goroutines of a load meet is told by the load: the first error, which ends the others, and a panic, which is for whoever has mapped the
// file that it came of. Method: two that wait, and one that fails.
func TestPartsFailTogether(t *testing.T) {
	broken := errors.New("broken")
	run := func(fail func() error) error {
		return eachAtOnce(t.Context(), 3, 3, func(ctx context.Context, i int) error {
			if i == 1 {
				return fail()
			}
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}
	require.ErrorIs(t, run(func() error { return broken }), broken)
	require.PanicsWithValue(t, "damaged", func() { _ = run(func() error { panic("damaged") }) })
}

// Goal: no more parts than there are processors are written at a time, each of which takes memory. Method: five that wait, two at a time.
func TestPartsWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int64
		goOn := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- eachAtOnce(t.Context(), 5, 2, func(context.Context, int) error {
				begun.Add(1)
				<-goOn
				return nil
			})
		}()
		for want := int64(2); want <= 5; want++ {
			synctest.Wait()
			require.Equal(t, want, begun.Load())
			goOn <- struct{}{}
		}
		close(goOn)
		require.NoError(t, <-done)
	})
}

// alarmsSum is what alarms are of a store's digest.
func alarmsSum(s *Store) (sum uint64) {
	for _, alarm := range s.Alarms() {
		sum += hashAlarm(alarm)
	}
	return sum
}

// Goal: a loaded store has the rows, to the byte, that the store has whose content it was, which were written one by one. Method: random commands
// without a compaction, which only a store that grew has traces of; a load that sorts in files, and one that does in memory. Left out is what may
// differ: how keys are counted in stretches, where usage is marked, what is said of the member, and of changes of the tree in history.
func TestLoadedRowsAreTheSame(t *testing.T) {
	for round := range 8 {
		m := newModel()
		g := &generator{Rand: rand.New(rand.NewPCG(uint64(round), 9)), m: m}
		s := openSmall(t, vfs.NewMem())
		for index := uint64(1); index <= 120; index++ {
			c := g.command()
			switch {
			case c.GetCompact() != nil:
				continue
			case index%4 == 0: // some values are too long to be moved while they are sorted
				c = putCommand(fmt.Sprint("long", index%7), strings.Repeat(fmt.Sprint(index), farValueMin))
			}
			b := begin(s)
			applyBoth(t, m, s, b, c)
			b.SetApplied(index, 1)
			require.NoError(t, b.Commit())
		}
		content := contentOf(t, s)
		want := rowsOf(t, s, spaceRecord, spaceDir, spaceExpiry, spaceAttachment, spaceLease, spaceTime, spaceVersion)
		var history []string
		lower, upper := spaceHistory.bounds()
		require.NoError(t, s.each(lower, upper, func(key, value []byte) error {
			if _, sub, err := splitHistoryKey(key); err != nil || sub != treeSub {
				history = append(history, fmt.Sprintf("%q %q", key, value))
			}
			return nil
		}))
		require.NotEmpty(t, history)
		want = append(want, history...)
		inFiles, _ := loadSmall(t, content)
		fs := vfs.NewMem()
		_, err := Load(t.Context(), Config{Dir: "state", FS: fs}, t.TempDir(), content)
		require.NoError(t, err)
		inMemory := openSmall(t, fs)
		far := vfs.NewMem()
		_, err = Load(t.Context(), Config{Dir: "state", FS: far, loadRunBytes: 300, farBytes: 20_000, loadParts: 3, usageMarkBytes: 500}, t.TempDir(), placed(t, content))
		require.NoError(t, err)
		inPlace := openSmall(t, far)
		for _, loaded := range []*Store{inFiles, inMemory, inPlace} {
			require.Equal(t, want, rowsOf(t, loaded, spaceRecord, spaceDir, spaceExpiry, spaceAttachment, spaceLease, spaceTime, spaceVersion, spaceHistory))
			requireUsage(t, loaded)
		}
		require.Equal(t, inFiles.state.Load().position, inMemory.state.Load().position)
		require.Equal(t, s.state.Load().sum-alarmsSum(s), inMemory.state.Load().sum)
		for part := range int64(6) { // marks of each part of history are where compactions find them
			to := compactCommand(max(inPlace.CompactedRevision()+1, s.Revision()*(part+1)/6))
			for _, loaded := range []*Store{inFiles, inPlace} {
				applyEach(t, loaded, to)
				requireUsage(t, loaded)
			}
		}
		require.NoError(t, errors.Join(inMemory.Close(), inPlace.Close(), s.Close()))
	}
}

// Goal: sorted byte by byte, versions come in the order in which they lie on disk, and are what they were. Method: keys with zero bytes and without,
// of which some begin others, compared with the store's own order.
func TestSortKeysOrderAsRows(t *testing.T) {
	type version struct {
		key      string
		revision int64
	}
	var versions []version
	for _, key := range []string{"a", "a\x00", "a\x00\x00", "a\x00\x01", "a\x00b", "a\x00\xff", "a\x01", "a\x01\x00", "a\xff", "aa", "\x00", "\x00\xff", "\xff\x00", "b"} {
		for _, revision := range []int64{1, 2, 255, 256, 1 << 40} {
			versions = append(versions, version{key, revision})
		}
	}
	asRow := func(v version) []byte { return appendVersionKey(nil, []byte(v.key), v.revision) }
	sorted := func(v version) []byte { return appendSortKey(nil, []byte(v.key), v.revision) }
	var buf []byte
	for _, a := range versions {
		var key []byte
		var revision int64
		key, buf, revision = splitSortKey(sorted(a), buf)
		require.Equal(t, a, version{string(key), revision})
		for _, b := range versions {
			require.Equal(t, cockroachkvs.Comparer.Compare(asRow(a), asRow(b)), bytes.Compare(sorted(a), sorted(b)), "%q %q", a, b)
		}
	}
}

// Goal: directories, what expires, records and times survive. Method: the content of a store that has them, loaded.
func TestLoadKeepsWhatIsBesideKeys(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	b := begin(s)
	b.SetTime(5e9)
	for i, c := range []*consensusv1.Command{dirCommand("/d"), fileCommand("/d/f", 7), fileCommand("/g", 9), fileCommand("/g", 0), putCommand("/k", "v")} {
		_, _, err := b.Apply(c)
		require.NoError(t, err)
		b.SetApplied(uint64(i+1), 1)
	}
	require.NoError(t, b.Commit())
	records := s.Begin()
	records.SetRecord("a/b", nil, []byte("c"))
	require.NoError(t, records.Commit())

	loaded, counted := loadSmall(t, contentOf(t, s))
	require.Equal(t, Loaded{Keys: 3, Versions: 4}, counted)
	require.Equal(t, s.state.Load().sum, loaded.state.Load().sum)
	require.NoError(t, loaded.Verify(t.Context(), atOnce))
	requireUsage(t, loaded)
	want, err := s.Due(100, 10)
	require.NoError(t, err)
	got, err := loaded.Due(100, 10)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, want, got)
	for revision := int64(1); revision <= s.Revision(); revision++ {
		at, known, err := s.TimeOf(t.Context(), revision)
		require.NoError(t, err)
		loadedAt, loadedKnown, err := loaded.TimeOf(t.Context(), revision)
		require.NoError(t, err)
		require.Equal(t, []any{at, known}, []any{loadedAt, loadedKnown})
	}
}

// Goal: history says what each change has replaced even where the versions' numbers are not true, or one revision changes a key twice. Method: loads of
// versions that are new by their numbers, and the history of the same versions under their true numbers.
func TestHistoryDoesNotFollowNumbers(t *testing.T) {
	version := func(revision, sub int64, key string, number int64) LoadVersion {
		return LoadVersion{Sub: sub, Row: Row{Key: []byte(key), Revision: revision, Record: Record{Create: 2, Version: number, Value: []byte("v")}}}
	}
	history := func(versions ...LoadVersion) []string {
		s, _ := loadSmall(t, &Content{Revision: 9, Versions: eachOf(versions)})
		require.NoError(t, s.Verify(t.Context(), atOnce))
		requireUsage(t, s)
		return rowsOf(t, s, spaceHistory)
	}
	want := history(version(2, 0, "k", 1), version(3, 0, "a", 1), version(4, 0, "k", 2), version(5, 0, "b", 1))
	require.Equal(t, want, history(version(2, 0, "k", 1), version(3, 0, "a", 1), version(4, 0, "k", 1), version(5, 0, "b", 1)))

	twice, _ := loadSmall(t, &Content{Revision: 9, Versions: eachOf([]LoadVersion{version(2, 0, "a", 1), version(2, 1, "k", 1), version(2, 2, "k", 2), version(3, 0, "b", 1)})})
	var overwritten []int64
	sn, err := twice.Snapshot(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, sn.Close()) }()
	require.NoError(t, sn.v.changes(1, 9, func(_, sub int64, c *change) error {
		if c.overwritten {
			overwritten = append(overwritten, sub)
		}
		return nil
	}))
	require.Equal(t, []int64{1}, overwritten)
}

// Goal: who waits for a load sees how far it is. Method: some ten thousand versions, whose history is written as they come, or late; what is told rises
// from near the beginning to near the end.
func TestLoadTellsProgress(t *testing.T) {
	const versions = 3 * scanRowsPerCheck
	for number, steps := range map[int64]int{1: 6, 2: 9} {
		var told []float64
		content := &Content{Revision: versions, File: make([]byte, 8*versions), Progress: func(part float64) { told = append(told, part) }}
		content.Versions = func(yield func(*LoadVersion, error) bool) {
			for i := int64(1); i <= versions; i++ {
				if !yield(&LoadVersion{Row: Row{Key: fmt.Appendf(nil, "%08d", i), Revision: i, Record: Record{Create: i, Version: number}}}, nil) {
					return
				}
			}
		}
		_, err := Load(t.Context(), Config{Dir: "state", FS: vfs.NewMem(), loadParts: 1}, t.TempDir(), content)
		require.NoError(t, err)
		require.Len(t, told, steps)
		require.True(t, slices.IsSorted(told), "%v", told)
		require.InDelta(t, 1/float64(steps), told[0], 0.01)
		require.InDelta(t, 1, told[steps-1], 0.01)
	}
}

// Goal: what cannot be a state is refused, and so is a directory that has one. Method: contents with one thing wrong.
func TestLoadRefuses(t *testing.T) {
	version := func(revision, sub int64, key string) LoadVersion {
		return LoadVersion{Sub: sub, Row: Row{Key: []byte(key), Revision: revision, Record: Record{Create: revision, Version: 1}}}
	}
	broken := errors.New("broken")
	for name, c := range map[string]*Content{
		"no revision":         {},
		"compacted above":     {Revision: 5, Compacted: 6},
		"version above":       {Revision: 5, Versions: eachOf([]LoadVersion{version(6, 0, "k")})},
		"no key":              {Revision: 5, Versions: eachOf([]LoadVersion{version(5, 0, "")})},
		"revisions fall":      {Revision: 5, Versions: eachOf([]LoadVersion{version(5, 0, "a"), version(4, 0, "b")})},
		"a place twice":       {Revision: 5, Versions: eachOf([]LoadVersion{version(5, 0, "a"), version(5, 0, "b")})},
		"a sub-revision":      {Revision: 5, Versions: eachOf([]LoadVersion{version(5, treeSub, "k")})},
		"time above":          {Revision: 5, Times: each([]LoadTime{{6, 1}})},
		"versions that fail":  {Revision: 5, Versions: func(yield func(*LoadVersion, error) bool) { yield(nil, broken) }},
		"dirs that fail":      {Revision: 5, Dirs: func(yield func(LoadDir, error) bool) { yield(LoadDir{}, broken) }},
		"leases that fail":    {Revision: 5, Leases: func(yield func(*consensusv1.Lease, error) bool) { yield(nil, broken) }},
		"paths out of order":  {Revision: 5, Dirs: each([]LoadDir{{[]byte("/b"), Dir{}}, {[]byte("/a"), Dir{}}})},
		"the same time twice": {Revision: 5, Times: each([]LoadTime{{4, 1}, {4, 1}})},
	} {
		_, err := Load(t.Context(), Config{Dir: "state", FS: vfs.NewMem()}, t.TempDir(), c)
		require.Error(t, err, name)
	}
	walked := 0
	_, err := Load(t.Context(), Config{Dir: "state", FS: vfs.NewMem()}, t.TempDir(), &Content{Revision: 5, Versions: func(yield func(*LoadVersion, error) bool) {
		if walked++; walked == 1 {
			_ = yield(new(version(3, 0, "k")), nil) && yield(new(version(5, 0, "k")), nil)
		}
	}})
	require.ErrorIs(t, err, errReadOtherwise)
	// What is read in parts must be all there is: here what is looked for by a revision begins behind it.
	gap := &Content{Revision: 5, Versions: eachOf([]LoadVersion{version(2, 0, "a"), version(3, 0, "b"), version(4, 0, "c")})}
	gap.VersionsFrom = func(int64) iter.Seq2[*LoadVersion, error] { return eachOf([]LoadVersion{version(4, 0, "c")}) }
	gap.Sample = func(int) []LoadSample { return slices.Repeat([]LoadSample{{3, []byte("b")}}, 2*loadSamplesLeast) }
	_, err = Load(t.Context(), Config{Dir: "state", FS: vfs.NewMem(), loadParts: 2}, t.TempDir(), gap)
	require.ErrorContains(t, err, "versions behind revision 3 are not in order")
	ended, end := context.WithCancel(t.Context())
	end()
	many := func(yield func(*LoadVersion, error) bool) {
		for i := int64(1); i < 1e6 && yield(new(version(i, 0, "k")), nil); i++ {
		}
	}
	_, err = Load(ended, Config{Dir: "state", FS: vfs.NewMem()}, t.TempDir(), &Content{Revision: 1e6, Versions: many})
	require.ErrorIs(t, err, context.Canceled)

	fs := vfs.NewMem()
	s := openSmall(t, fs)
	applyEach(t, s, putCommand("k", "v"))
	require.NoError(t, s.Close())
	_, err = Load(t.Context(), Config{Dir: "state", FS: fs}, t.TempDir(), &Content{Revision: 5, Versions: eachOf([]LoadVersion{version(5, 0, "k")})})
	require.ErrorContains(t, err, "there is a store already")
	s = openSmall(t, fs)
	require.EqualValues(t, 2, s.Revision())
	require.NoError(t, s.Close())
}
