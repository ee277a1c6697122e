package v2

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// late is how much later than its time a node may go: etcd's interval of half a second, and what a busy machine adds.
const late = 5 * time.Second

// expires waits for a node's expire event and holds it to its time.
func expires(t *testing.T, w *waiter, set *answer) *event {
	t.Helper()
	e := w.next()
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
	require.Less(t, at.Sub(*set.Node.Expiration), late)
	return e
}

// Goal: a file goes when its time has come, not before, each with an index of its own and in the order of time. Method:
// files with several TTLs, 0 among them, under one stream.
func TestFilesExpire(t *testing.T) {
	s := open(t)
	w := s.wait("", "recursive=true&stream=true")
	long := s.put("long", "value=2&ttl=5")
	short := s.put("short", "value=1&ttl=4") // all that is below is done by then
	kept := s.put("kept", "value=3&ttl=4")
	require.Equal(t, int64(4), short.Node.TTL)
	s.put("kept", "value=3")
	for range 4 {
		w.next()
	}
	now := s.put("now", "value=0&ttl=0")
	require.Equal(t, 201, now.status)
	require.NotNil(t, now.Node.Expiration)
	require.Zero(t, now.Node.TTL)
	w.next()
	first := expires(t, w, now)
	second := expires(t, w, short)
	third := expires(t, w, long)
	require.Less(t, first.Node.Modified, second.Node.Modified)
	require.Less(t, second.Node.Modified, third.Node.Modified)
	require.Equal(t, 404, s.get("short", "").status)
	require.Equal(t, "3", s.get("kept", "").Node.value())
	require.Equal(t, kept.Node.Key, s.get("kept", "").Node.Key)
}

// Goal: a directory's TTL takes everything in it in one event, and can be prolonged without touching what is in it.
// Method: a directory with files of longer TTLs; update before its time.
func TestDirectoriesExpire(t *testing.T) {
	s := open(t)
	dir := s.put("d", "dir=true&ttl=4")
	s.put("d/x", "value=1&ttl=100")
	s.put("d/sub/y", "value=1")
	w := s.wait("", "recursive=true&stream=true")
	inside := s.wait("d/sub/y", "")
	e := expires(t, w, dir)
	require.Equal(t, e, inside.last())
	require.Equal(t, 404, s.get("d/sub/y", "").status)

	kept := s.put("k", "dir=true&ttl=4")
	s.put("k/x", "value=1")
	updated := s.put("k", "dir=true&ttl=100&prevExist=true")
	require.Equal(t, "update", updated.Action)
	require.Greater(t, updated.Node.Modified, kept.Node.Modified)
	require.Equal(t, kept.Node.Modified, s.get("k", "").Node.Modified)
	gone := s.put("marker", "value=1&ttl=5")
	for w.next().Node.Key != gone.Node.Key {
	}
	expires(t, w, gone)
	require.Equal(t, "1", s.get("k/x", "").Node.value())
}

// Goal: a refresh keeps a file alive in silence. Method: a file with a short TTL is refreshed beyond it; a watcher hears
// nothing but the end.
func TestRefreshProlongs(t *testing.T) {
	s := open(t)
	s.put("k", "value=1&ttl=4")
	w := s.wait("k", "stream=true")
	refreshed := s.put("k", "refresh=true&ttl=5&prevExist=true")
	require.Equal(t, "1", refreshed.Node.value())
	expires(t, w, refreshed)
}

// Goal: TTLs are moments: a restart neither prolongs nor shortens them, and what expired meanwhile goes soon after it.
// Method: kill the server over the end of one file and before that of another.
func TestExpirationSurvivesARestart(t *testing.T) {
	s, server := own(t)
	short := s.put("short", "value=1&ttl=1")
	long := s.put("long", "value=1&ttl=8")
	server.Kill()
	<-time.After(time.Until(short.Node.Expiration.Add(100 * time.Millisecond)))
	require.NoError(t, server.Start(harness.Context(t)))
	w := s.wait("", "recursive=true&stream=true&"+after(long.Node.Modified))
	require.Equal(t, short.Node.Key, w.next().Node.Key)
	require.Equal(t, long.Node.Expiration, s.get("long", "").Node.Expiration)
	expires(t, w, long)
}

// stop stops a server in an orderly way.
func stop(t *testing.T, s *harness.Server) {
	t.Helper()
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)
}
