package mvcc

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
)

// Goal: however large names are, a list of them ends where its answer would be too large, and goes on from there; nor is more held than that to count what was
// there at an older revision, and the counts are right all the same. Method: more names of a kibibyte than an answer holds, with a key below each, and later
// more keys below the first one than are held.
func TestChildrenOfLargeNamesComeInPages(t *testing.T) {
	defer func(names, added int) { namesBytesMax, addedBytesMax = names, added }(namesBytesMax, addedBytesMax)
	namesBytesMax, addedBytesMax = 64<<10, 128<<10
	const nameBytes = 1 << 10
	s := openMem(t, vfs.NewMem())
	name := func(i int) string { return fmt.Sprintf("%0*d/", nameBytes-1, i) }
	fill := func(n int, key func(int) string) int64 {
		b := begin(s)
		for i := range n {
			_, _, err := b.Apply(putCommand(key(i), "v"))
			require.NoError(t, err)
		}
		require.NoError(t, b.Commit())
		return s.Revision()
	}
	inOne, rest := namesBytesMax/nameBytes, 20
	full := fill(inOne+rest, func(i int) string { return name(i) + "x" })
	fill(addedBytesMax/nameBytes, func(i int) string { return name(0) + fmt.Sprint(i) })
	req := &quoratev1.ChildrenRequest{Delimiter: []byte("/"), Revision: full, Limit: childrenMax, Count: true}
	for _, want := range []int{inOne, rest} {
		page, err := Children(t.Context(), s, req)
		require.NoError(t, err)
		require.Len(t, page.GetChildren(), want)
		require.Equal(t, want == inOne, page.GetMore())
		for _, child := range page.GetChildren() {
			require.EqualValues(t, 1, child.GetKeys())
			require.False(t, child.GetKeysAtLeast())
		}
		req.After = page.GetChildren()[want-1].GetName()
	}
}

// Goal: children are what folding all keys gives, with counts and sizes, in pages, at any revision, for any delimiter. Method: random keys over
// few letters, put and deleted, beside a map of each revision that is folded key by key.
func TestChildrenAreAllKeysFolded(t *testing.T) {
	s := openSmall(t, vfs.NewMem())
	r := rand.New(rand.NewPCG(3, 3))
	key := func() string {
		letters := []string{"a", "b", "/", "/", "\xff", "\x00"}
		var k strings.Builder
		for range 1 + r.IntN(6) {
			k.WriteString(letters[r.IntN(len(letters))])
		}
		return k.String()
	}
	states := map[int64]map[string]string{s.Revision(): {}}
	now := map[string]string{}
	for range 200 {
		k := key()
		c := putCommand(k, strings.Repeat("v", r.IntN(5)))
		if _, exists := now[k]; exists && r.IntN(2) == 0 {
			c = deleteCommand(k, "")
			delete(now, k)
		} else {
			now[k] = string(c.GetPut().GetValue())
		}
		b := begin(s)
		_, _, err := b.Apply(c)
		require.NoError(t, err)
		require.NoError(t, b.Commit())
		state := map[string]string{}
		for k, v := range now {
			state[k] = v
		}
		states[s.Revision()] = state
	}
	for range 100 {
		revision := 2 + r.Int64N(s.Revision()-1)
		prefix, delimiter := key()[:r.IntN(2)], []string{"", "/", "a/", "\xff"}[r.IntN(4)]
		req := &quoratev1.ChildrenRequest{
			Prefix: []byte(prefix), Delimiter: []byte(delimiter), Limit: 1 + r.Int64N(4), Revision: revision, Count: true, Size: r.IntN(2) == 0,
		}
		var got []*quoratev1.Child
		for {
			page, err := Children(t.Context(), s, req)
			require.NoError(t, err)
			got = append(got, page.GetChildren()...)
			if !page.GetMore() {
				break
			}
			req.After = got[len(got)-1].GetName()
		}
		requireFolded(t, states[revision], prefix, delimiter, req.GetSize(), got)
	}
}

func requireFolded(t *testing.T, state map[string]string, prefix, delimiter string, sized bool, got []*quoratev1.Child) {
	t.Helper()
	type sum struct{ keys, bytes int64 }
	want := map[string]sum{}
	for k, v := range state {
		rest, below := strings.CutPrefix(k, prefix)
		if !below {
			continue
		}
		name := k
		if at := strings.Index(rest, delimiter); delimiter != "" && at >= 0 {
			name = prefix + rest[:at+len(delimiter)]
		}
		was := want[name]
		want[name] = sum{was.keys + 1, was.bytes + int64(len(k)+len(v))}
	}
	require.True(t, slices.IsSortedFunc(got, func(a, b *quoratev1.Child) int { return bytes.Compare(a.GetName(), b.GetName()) }))
	require.Len(t, got, len(want))
	for _, child := range got {
		of := want[string(child.GetName())]
		require.Equal(t, of.keys, child.GetKeys(), "%q", child.GetName())
		require.False(t, child.GetKeysAtLeast() || child.GetBytesAtLeast())
		if sized || !child.GetFolded() {
			require.Equal(t, of.bytes, child.GetBytes(), "%q", child.GetName())
		}
	}
}

// Goal: a child with very many keys is passed over, also where they were all deleted, and its count is that of the index; what is read for sizes is
// bounded, and said to be. Method: more keys than are read for one answer below one child.
func TestChildrenPassOverManyKeys(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	defer func(most int) { measuredKeysMax = most }(measuredKeysMax)
	measuredKeysMax = 2_000
	many := measuredKeysMax + 200
	b := begin(s)
	put := func(key string) {
		_, _, err := b.Apply(putCommand(key, "v"))
		require.NoError(t, err)
	}
	for i := range many {
		put(fmt.Sprintf("/a/%07d", i))
	}
	put("/b/x")
	put("/c")
	require.NoError(t, b.Commit())
	list := func(req *quoratev1.ChildrenRequest) (string, *quoratev1.ChildrenResponse) {
		req.Prefix, req.Delimiter = []byte("/"), []byte("/")
		resp, err := Children(context.Background(), s, req)
		require.NoError(t, err)
		var names []string
		for _, child := range resp.GetChildren() {
			names = append(names, string(child.GetName()))
		}
		return strings.Join(names, " "), resp
	}
	names, resp := list(&quoratev1.ChildrenRequest{Count: true})
	require.Equal(t, "/a/ /b/ /c", names)
	require.Equal(t, int64(many), resp.GetChildren()[0].GetKeys())

	_, resp = list(&quoratev1.ChildrenRequest{Size: true})
	require.True(t, resp.GetChildren()[0].GetBytesAtLeast())
	require.True(t, resp.GetChildren()[1].GetBytesAtLeast(), "nothing is left to read it")
	require.Equal(t, int64(measuredKeysMax*len("/a/0000000v")), resp.GetChildren()[0].GetBytes())

	old := s.Revision()
	b = begin(s)
	_, _, err := b.Apply(deleteCommand("/a/", "/a0"))
	require.NoError(t, err)
	require.NoError(t, b.Commit())
	names, _ = list(&quoratev1.ChildrenRequest{Count: true})
	require.Equal(t, "/b/ /c", names)
	names, resp = list(&quoratev1.ChildrenRequest{Count: true, Revision: old})
	require.Equal(t, "/a/ /b/ /c", names)
	require.True(t, resp.GetChildren()[0].GetKeysAtLeast(), "more has changed since than is looked at")
}

// Goal: a key's versions come newest first with their times and ends, in pages, and compaction takes those that cannot be read, whether they are
// removed yet or not. What was deleted comes last deletion first, once each, without what is there again, in pages that may end inside of a revision.
// Method: a few commands at times of the test's choice.
func TestVersionsAndDeletions(t *testing.T) {
	s := &timed{Store: openMem(t, vfs.NewMem())}
	const s0 = 1_800_000_000 * timeStep
	s.apply(t, s0, putCommand("k", "one"))                 // 2
	s.apply(t, s0+5*timeStep, putCommand("k", "two"))      // 3
	s.apply(t, s0+6*timeStep, deleteCommand("k", ""))      // 4
	s.apply(t, s0+7*timeStep, putCommand("k", "three"))    // 5
	s.apply(t, s0+8*timeStep, putCommand("p/a", "a"))      // 6
	s.apply(t, s0+8*timeStep, putCommand("p/b", "b"))      // 7
	s.apply(t, s0+9*timeStep, deleteCommand("p/", "p0"))   // 8: both
	s.apply(t, s0+10*timeStep, deleteCommand("k", ""))     // 9
	s.apply(t, s0+11*timeStep, putCommand("other", "x"))   // 10
	s.apply(t, s0+11*timeStep, deleteCommand("other", "")) // 11
	s.apply(t, s0+12*timeStep, putCommand("other", "y"))   // 12: there again

	versions := func(req *quoratev1.HistoryRequest) string {
		req.Key, req.WithValues = []byte("k"), true
		resp, err := Versions(t.Context(), s.Store, req)
		require.NoError(t, err)
		var text []string
		for _, v := range resp.GetVersions() {
			at := int64(-1)
			if v.GetTimeUnixNano() != 0 {
				at = (v.GetTimeUnixNano() - s0) / timeStep
			}
			text = append(text, fmt.Sprintf("%d:%s@%d", v.GetRevision(), v.GetValue(), at))
		}
		if resp.GetMore() {
			text = append(text, "more")
		}
		return strings.Join(text, " ")
	}
	deleted := func(req *quoratev1.DeletedRequest) (string, *quoratev1.DeletedResponse) {
		req.WithValues = true
		resp, err := Deleted(t.Context(), s.Store, req)
		require.NoError(t, err)
		var text []string
		for _, k := range resp.GetKeys() {
			text = append(text, fmt.Sprintf("%d:%s=%s@%d", k.GetRevision(), k.GetKey(), k.GetLast().GetValue(), (k.GetTimeUnixNano()-s0)/timeStep))
		}
		return strings.Join(text, " "), resp
	}
	require.Equal(t, "9:@10 5:three@7 4:@6 3:two@5 2:one@0", versions(&quoratev1.HistoryRequest{}))
	require.Equal(t, "9:@10 5:three@7 more", versions(&quoratev1.HistoryRequest{Limit: 2}))
	require.Equal(t, "4:@6 3:two@5 more", versions(&quoratev1.HistoryRequest{Limit: 2, Before: 5}))
	require.Equal(t, "2:one@0", versions(&quoratev1.HistoryRequest{Limit: 2, Before: 3}))

	all, _ := deleted(&quoratev1.DeletedRequest{})
	require.Equal(t, "9:k=three@10 8:p/b=b@9 8:p/a=a@9", all)
	some, _ := deleted(&quoratev1.DeletedRequest{Prefix: []byte("p/")})
	require.Equal(t, "8:p/b=b@9 8:p/a=a@9", some)
	some, _ = deleted(&quoratev1.DeletedRequest{SinceRevision: 9})
	require.Equal(t, "9:k=three@10", some)
	first, page := deleted(&quoratev1.DeletedRequest{Limit: 2})
	require.Equal(t, "9:k=three@10 8:p/b=b@9", first)
	require.True(t, page.GetMore())
	rest, page := deleted(&quoratev1.DeletedRequest{Limit: 2, BeforeRevision: page.GetNextBeforeRevision(), BeforeSub: page.GetNextBeforeSub()})
	require.Equal(t, "8:p/a=a@9", rest)
	require.False(t, page.GetMore())

	s.apply(t, s0+13*timeStep, compactCommand(5))
	require.Equal(t, "9:@10 5:three@7", versions(&quoratev1.HistoryRequest{}))
	require.Empty(t, versions(&quoratev1.HistoryRequest{Before: 5}))
	s.apply(t, s0+13*timeStep, compactCommand(7))
	require.Equal(t, "9:@10 5:three@-1", versions(&quoratev1.HistoryRequest{}))
	require.Equal(t, "5:three@-1", versions(&quoratev1.HistoryRequest{Before: 6}))
	s.apply(t, s0+13*timeStep, compactCommand(8))
	all, page = deleted(&quoratev1.DeletedRequest{})
	require.Equal(t, "9:k=three@10", all)
	require.Equal(t, int64(8), page.GetCompactedRevision())
	s.apply(t, s0+13*timeStep, compactCommand(10))
	require.Empty(t, versions(&quoratev1.HistoryRequest{}))
}

// Goal: what has changed below a prefix comes by revision, the last first, with how many keys were made, changed and deleted and which the first are, in
// pages that may end inside of a revision, as far back as it can be undone. Of a key that a transaction deletes and puts again one change counts. Method: a
// few commands at times of the test's choice, read whole, in pages, below a prefix, and after compactions.
func TestChangesByRevision(t *testing.T) {
	s := &timed{Store: openMem(t, vfs.NewMem())}
	const s0 = 1_800_000_000 * timeStep
	s.apply(t, s0, putCommand("p/a", "a"))            // 2
	s.apply(t, s0+2*timeStep, putCommand("q", "x"))   // 3
	s.apply(t, s0+3*timeStep, putCommand("p/a", "b")) // 4
	for i := range 7 {                                // 5 to 11
		s.apply(t, s0+4*timeStep, putCommand(fmt.Sprintf("p/many/%d", i), "m"))
	}
	s.apply(t, s0+5*timeStep, deleteCommand("p/", "p0")) // 12
	s.apply(t, s0+6*timeStep, putCommand("p/b", "b"))    // 13
	changes := func(req *quoratev1.ChangesRequest) (string, *quoratev1.ChangesResponse) {
		resp, err := Changes(t.Context(), s.Store, req)
		require.NoError(t, err)
		var text []string
		for _, c := range resp.GetChanges() {
			text = append(text, fmt.Sprintf("%d+%d~%d-%d:%s@%d", c.GetRevision(), c.GetMade(), c.GetChanged(), c.GetDeleted(), bytes.Join(c.GetKeys(), []byte(",")), (c.GetTimeUnixNano()-s0)/timeStep))
		}
		return strings.Join(text, " "), resp
	}
	first, page := changes(&quoratev1.ChangesRequest{Prefix: []byte("p/"), Limit: 3})
	require.Equal(t, "13+1~0-0:p/b@6 12+0~0-8:p/a,p/many/0,p/many/1,p/many/2,p/many/3@5 11+1~0-0:p/many/6@4", first)
	require.True(t, page.GetMore())
	rest, page := changes(&quoratev1.ChangesRequest{Prefix: []byte("p/a"), BeforeRevision: page.GetNextBeforeRevision(), BeforeSub: page.GetNextBeforeSub()})
	require.Equal(t, "4+0~1-0:p/a@3 2+1~0-0:p/a@0", rest)
	require.False(t, page.GetMore())
	inside, _ := changes(&quoratev1.ChangesRequest{BeforeRevision: 12, BeforeSub: 2, Limit: 1})
	require.Equal(t, "12+0~0-2:p/a,p/many/0@5", inside)
	all, _ := changes(&quoratev1.ChangesRequest{BeforeRevision: 5})
	require.Equal(t, "4+0~1-0:p/a@3 3+1~0-0:q@2 2+1~0-0:p/a@0", all)
	nothing, page := changes(&quoratev1.ChangesRequest{Prefix: []byte("z")})
	require.Empty(t, nothing)
	require.False(t, page.GetMore())

	s.apply(t, s0+7*timeStep, compactCommand(12))
	left, page := changes(&quoratev1.ChangesRequest{})
	require.Equal(t, "13+1~0-0:p/b@6", left)
	require.Equal(t, int64(12), page.GetCompactedRevision())
}
