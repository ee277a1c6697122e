package v2

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// after is the parameters of a wait for what comes behind an index.
func after(index int64) string { return "waitIndex=" + strconv.FormatInt(index+1, 10) }

// Goal: a wait is answered with exactly what the writer was sent, once. Method: wait, write, compare; the connection can
// be used again.
func TestWaitGetsTheWritersAnswer(t *testing.T) {
	s := open(t)
	s.put("k", "value=1")
	for _, change := range []struct{ method, form string }{
		{http.MethodPut, "value=2"},
		{http.MethodPut, "value=2"},
		{http.MethodPut, "value=3&prevExist=true"},
		{http.MethodPut, "value=4&prevValue=3"},
		{http.MethodDelete, ""},
		{http.MethodPut, "value=5&prevExist=false"},
		{http.MethodDelete, "prevValue=5"},
		{http.MethodPut, "dir=true"},
		{http.MethodPut, "dir=true&prevExist=true&ttl=1000"},
		{http.MethodDelete, "dir=true"},
	} {
		w := s.wait("k", "")
		require.Equal(t, "application/json", w.resp.Header.Get("Content-Type"))
		require.Equal(t, []string{"chunked"}, w.resp.TransferEncoding)
		wrote := s.do(change.method, "k", change.form)
		require.Less(t, wrote.status, 300, wrote.body)
		require.Equal(t, strconv.FormatInt(wrote.Node.Modified-1, 10), indexBefore(w, wrote), change.form)
		require.Equal(t, &wrote.event, w.last())
	}
}

// indexBefore is the index that a wait began at, which a server that others use too may have passed.
func indexBefore(w *waiter, wrote *answer) string {
	began, _ := strconv.ParseInt(w.resp.Header.Get("X-Etcd-Index"), 10, 64)
	if began <= wrote.Node.Modified-1 {
		return strconv.FormatInt(wrote.Node.Modified-1, 10)
	}
	return w.resp.Header.Get("X-Etcd-Index")
}

// Goal: writes without a value in their answer are told whole. Method: wait, write with noValueOnSuccess.
func TestWaitHasValuesTheWriterDidNotWant(t *testing.T) {
	s := open(t)
	s.put("k", "value=1")
	w := s.wait("k", "")
	require.Equal(t, "{\"action\":\"set\"}\n", s.put("k", "value=2&noValueOnSuccess=true").body)
	e := w.last()
	require.Equal(t, "2", e.Node.value())
	require.Equal(t, "1", e.Prev.value())
}

// Goal: which watchers hear of what. Method: for each pair of a watcher and a change, the events from before the change on,
// followed by a marker that the watcher hears of in any case.
func TestWaitMatches(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		name, watch, form string
		change            func(dir string) *answer
		hears             bool
	}{
		{"the key itself", "a", "", func(d string) *answer { return s.put(d+"/a", "value=1") }, true},
		{"another key", "a", "", func(d string) *answer { return s.put(d+"/ab", "value=1") }, false},
		{"below, recursive", "d", "recursive=true", func(d string) *answer { return s.put(d+"/d/x/y", "value=1") }, true},
		{"below, not recursive", "d", "", func(d string) *answer { return s.put(d+"/d/x", "value=1") }, false},
		{"a longer name is not below", "d", "recursive=true", func(d string) *answer { return s.put(d+"/dxyz", "value=1") }, false},
		{"nor one that sorts in between", "d", "recursive=true", func(d string) *answer { return s.put(d+"/d-x", "value=1") }, false},
		{"in order", "d", "recursive=true", func(d string) *answer { return s.do(http.MethodPost, d+"/d", "value=1") }, true},
		{"the directory made", "d", "", func(d string) *answer { return s.put(d+"/d", "dir=true") }, true},
		{"the directory implied", "d", "", func(d string) *answer { return s.put(d+"/d/e/f", "value=1") }, false},
		{"hidden", "d", "recursive=true", func(d string) *answer { return s.put(d+"/d/_x", "value=1") }, false},
		{"hidden above", "d", "recursive=true", func(d string) *answer { return s.put(d+"/d/_x/y/z", "value=1") }, false},
		{"hidden, by name", "_x", "", func(d string) *answer { return s.put(d+"/_x", "value=1") }, true},
		{"inside hidden", "_x", "recursive=true", func(d string) *answer { return s.put(d+"/_x/y", "value=1") }, true},
		{"refresh", "a", "", func(d string) *answer {
			s.put(d+"/a", "value=1")
			return s.put(d+"/a", "refresh=true&ttl=100")
		}, false},
		{"a failed write", "a", "", func(d string) *answer { return s.put(d+"/a", "value=1&prevExist=true") }, false},
		{"a read", "a", "", func(d string) *answer { return s.get(d+"/a", "") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := "m" + strconv.Itoa(len(c.name))
			if c.name == "refresh" {
				s.put(dir+"/a", "value=0")
			}
			s.delete(dir, "recursive=true")
			began := s.put(dir+"/began", "value=1").Node.Modified
			made := c.change(dir)
			from := after(began)
			if c.name == "refresh" {
				from = after(made.Node.Modified - 1)
			}
			s.put(dir+"/"+c.watch, "dir=true") // may fail
			marker := s.delete(dir, "recursive=true")
			e := s.wait(dir+"/"+c.watch, c.form+"&"+from).last()
			if c.hears {
				require.Equal(t, &made.event, e)
			} else {
				require.Contains(t, []string{dir, dir + "/" + c.watch}, e.Node.Key[len(s.dir)+1:])
				require.Greater(t, e.Node.Modified, began)
				require.LessOrEqual(t, e.Node.Modified, marker.Node.Modified)
				require.NotEqual(t, made.Node, e.Node)
			}
		})
	}
}

// Goal: deleting a directory is told to those who watch it, above it, and each node that was below it, and to nobody who
// watches a name that was not there. Method: a stream for each, and a marker event for the last.
func TestDeletedDirectoryIsTold(t *testing.T) {
	s := open(t)
	s.put("top/d/file", "value=1")
	s.put("top/d/sub/x", "value=1")
	s.put("top/d/empty", "dir=true")
	s.put("top/d/_h/x", "value=1")
	from := after(s.put("top/other", "value=1").Node.Modified)
	gone := s.delete("top/d", "recursive=true")
	marker := s.put("top/d/none", "value=later")
	for _, c := range []struct{ path, form string }{
		{"top/d", ""},
		{"top", "recursive=true&"},
		{"top/d", "recursive=true&"},
		{"top/d/file", ""},
		{"top/d/sub", ""},
		{"top/d/sub", "recursive=true&"},
		{"top/d/sub/x", ""},
		{"top/d/empty", ""},
		{"top/d/_h/x", ""},
		{"top/d/_h", "recursive=true&"},
	} {
		require.Equal(t, &gone.event, s.wait(c.path, c.form+from).last(), c.path)
	}
	require.Equal(t, &marker.event, s.wait("top/d/none", from).last(), "a name that was not there")
	require.Equal(t, &marker.event, s.wait("top/d/none", "recursive=true&"+from).last())
}

// Goal: a wait from a past index is answered at once, with the oldest event at or after it; one from a future index waits.
// Method: several writes, waits from each of them on.
func TestWaitIndex(t *testing.T) {
	s := open(t)
	first := s.put("k", "value=1")
	s.put("other", "value=1")
	second := s.put("k", "value=2")
	third := s.delete("k", "")
	require.Equal(t, &first.event, s.wait("k", after(first.Node.Modified-1)).last())
	require.Equal(t, &second.event, s.wait("k", after(first.Node.Modified)).last())
	require.Equal(t, &second.event, s.wait("k", after(second.Node.Modified-1)+"&waitIndex=1").last(), "the first one counts")
	require.Equal(t, &third.event, s.wait("k", after(second.Node.Modified)).last())
	require.Equal(t, &first.event, s.wait("k", "waitIndex=1").last())

	w := s.wait("k", after(third.Node.Modified))
	now := s.wait("k", "waitIndex=0")
	last := s.put("k", "value=3")
	require.Equal(t, &last.event, w.last())
	require.Equal(t, &last.event, now.last())

	far := s.wait("far", after(last.Node.Modified+5))
	for i := range 3 {
		require.LessOrEqual(t, s.put("far", "value="+strconv.Itoa(i)).Node.Modified, last.Node.Modified+1000)
	}
	var sent *answer
	for i := int64(0); sent == nil || sent.Node.Modified < last.Node.Modified+6; i++ {
		sent = s.put("far", "value=x")
	}
	require.GreaterOrEqual(t, far.last().Node.Modified, last.Node.Modified+6)
}

// Goal: a stream tells every event once, past and live, each on a line. Method: stream from a past index over a directory
// while keys are set, deleted and expire.
func TestStream(t *testing.T) {
	s := open(t)
	var want []*event
	note := func(a *answer) { e := a.event; want = append(want, &e) }
	note(s.put("d/a", "value=1"))
	note(s.put("d/b", "value=2"))
	w := s.wait("d", "recursive=true&stream=true&"+after(want[0].Node.Modified-1))
	one := s.wait("d/a", "stream=true")
	note(s.delete("d/b", ""))
	note(s.put("d/a", "value=3"))
	note(s.delete("d/a", "prevValue=3"))
	note(s.delete("d", "recursive=true"))
	for _, e := range want {
		require.Equal(t, e, w.next())
	}
	require.Equal(t, want[3], one.next())
	require.Equal(t, want[4], one.next())
	again := s.put("d/a", "value=4")
	require.Equal(t, &again.event, one.next(), "each once: the directory was deleted when the key was gone")
	require.Equal(t, &again.event, w.next())
}

// Goal: beyond the history a wait is told from where to go on. Method: compact through v3, wait from before, and then from
// the index of the answer.
func TestWaitBeyondHistory(t *testing.T) {
	s, server := own(t)
	for i := range 5 {
		s.put("k", "value="+strconv.Itoa(i)) // 2 to 6
	}
	compact(t, server, 4)
	for _, asked := range []string{"1", "3", "4"} {
		a := s.get("k", "wait=true&waitIndex="+asked)
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Equal(t, "{\"errorCode\":401,\"message\":\"The event in requested index is outdated and cleared\","+
			"\"cause\":\"the requested history has been cleared [5/"+asked+"]\",\"index\":6}\n", a.body)
		require.Equal(t, "6", a.header.Get("X-Etcd-Index"))
	}
	require.Equal(t, "3", s.wait("k", "waitIndex=5").last().Node.value())
	w := s.wait("k", "waitIndex=7")
	s.put("k", "value=new")
	require.Equal(t, "new", w.last().Node.value())
}

// Goal: a wait does not hold up a stop, and ends with an empty body, which makes clients ask again. Method: stop a server
// while waits are open.
func TestWaitEndsWithTheServer(t *testing.T) {
	s, server := own(t)
	s.put("k", "value=1")
	w, stream := s.wait("k", ""), s.wait("k", "stream=true")
	stop(t, server)
	require.Error(t, w.lines.Decode(&event{}))
	require.Error(t, stream.lines.Decode(&event{}))
}
