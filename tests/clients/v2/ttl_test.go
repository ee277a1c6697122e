package v2

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// expires waits for a node's expire event, which is the next, and holds that it does not come before its time.
func expires(t *testing.T, w *waiter, set *answer) *event {
	t.Helper()
	e := w.next()
	hasExpired(t, e, set)
	return e
}

// hasExpired holds that an event is a node's end, and does not come before its time.
func hasExpired(t *testing.T, e *event, set *answer) {
	t.Helper()
	at := time.Now()
	require.Equal(t, "expire", e.Action)
	require.Equal(t, set.Node.Key, e.Node.Key)
	require.Equal(t, set.Node.Created, e.Node.Created)
	require.Equal(t, set.Node.Dir, e.Node.Dir)
	require.Nil(t, e.Node.Value)
	require.Nil(t, e.Node.Expiration)
	require.Equal(t, set.Node.Expiration, e.Prev.Expiration)
	require.LessOrEqual(t, e.Prev.TTL, int64(0))
	require.Equal(t, set.Node.Value, e.Prev.Value)
	require.False(t, at.Before(*set.Node.Expiration), "too early")
}

// Goal: a file goes when its time has come, not before, each with an index of its own and in the order of time, and one that was set again without a TTL
// stays. Method: files with several TTLs, 0 among them, under one stream; the answers say which time comes first, on a machine that stands still for a
// moment too.
func TestFilesExpire(t *testing.T) {
	s := open(t)
	w := s.wait("", "recursive=true&stream=true")
	kept := s.put("kept", "value=3&ttl=4")
	stays := s.put("kept", "value=3")
	ending := []*answer{s.put("long", "value=2&ttl=5"), s.put("short", "value=1&ttl=4"), s.put("now", "value=0&ttl=0")}
	now := ending[2]
	require.Equal(t, 201, now.status)
	require.Zero(t, now.Node.TTL)
	slices.SortStableFunc(ending, func(a, b *answer) int { return a.Node.Expiration.Compare(*b.Node.Expiration) })
	for len(ending) > 0 {
		e := w.next()
		switch {
		case e.Action == "set":
		case e.Node.Key == kept.Node.Key: // it was not set again in time
			require.Less(t, e.Node.Modified, stays.Node.Modified)
		default:
			hasExpired(t, e, ending[0])
			require.Greater(t, e.Node.Modified, ending[0].Node.Modified)
			ending = ending[1:]
		}
	}
	require.Equal(t, 404, s.get("short", "").status)
	require.Equal(t, "3", s.get("kept", "").Node.value())
}

// Goal: a directory's TTL takes everything in it in one event, and can be prolonged without touching what is in it.
// Method: directories with files of longer TTLs or of none; one is updated before its time.
func TestDirectoriesExpire(t *testing.T) {
	s := open(t)
	s.put("d/x", "value=1&ttl=100")
	s.put("d/sub/y", "value=1")
	dir := s.put("d", "dir=true&ttl=1&prevExist=true")
	w, inside := s.wait("", "recursive=true&stream=true&"+after(dir.Node.Modified)), s.wait("d/sub/y", after(dir.Node.Modified))
	e := expires(t, w, dir)
	require.Equal(t, e, inside.last())
	require.Equal(t, 404, s.get("d/sub/y", "").status)

	made := s.put("k", "dir=true")
	s.put("k/x", "value=1")
	ends := s.put("k", "dir=true&ttl=8&prevExist=true")
	updated := s.put("k", "dir=true&ttl=100&prevExist=true")
	require.Equal(t, "update", updated.Action)
	require.Greater(t, updated.Node.Modified, ends.Node.Modified)
	require.Equal(t, made.Node.Modified, s.get("k", "").Node.Modified)
	gone := s.put("marker", "value=1&ttl=8")
	expires(t, s.wait("marker", "stream=true&"+after(gone.Node.Modified)), gone)
	require.Equal(t, "1", s.get("k/x", "").Node.value())
}

// Goal: a refresh keeps a file alive in silence. Method: a file with a short TTL is refreshed beyond it; a watcher hears
// nothing but the end.
func TestRefreshProlongs(t *testing.T) {
	s := open(t)
	set := s.put("k", "value=1&ttl=8")
	refreshed := s.put("k", "refresh=true&ttl=9&prevExist=true")
	require.Equal(t, "1", refreshed.Node.value())
	require.True(t, refreshed.Node.Expiration.After(*set.Node.Expiration))
	expires(t, s.wait("k", "stream=true&"+after(set.Node.Modified)), refreshed)
}

// Goal: TTLs are moments: a restart neither prolongs nor shortens them, and what expired meanwhile goes soon after it.
// Method: kill the server over the end of one file and before that of another.
func TestExpirationSurvivesARestart(t *testing.T) {
	s, server := own(t)
	long := s.put("long", "value=1&ttl=8")
	short := s.put("short", "value=1&ttl=1")
	server.Kill()
	<-time.After(time.Until(short.Node.Expiration.Add(100 * time.Millisecond)))
	require.NoError(t, server.Start(harness.Context(t)))
	w := s.wait("", "recursive=true&stream=true&"+after(short.Node.Modified))
	expires(t, w, short)
	expires(t, w, long)
}

// stop stops a server in an orderly way.
func stop(t *testing.T, s *harness.Server) {
	t.Helper()
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)
}
