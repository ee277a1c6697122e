package watch

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// connectUser connects a user's NATS client to a service. What it may not do goes to denied.
func connectUser(t *testing.T, s *Service, options ...nats.Option) (conn *nats.Conn, denied chan error) {
	t.Helper()
	eventually(t, func() bool { return s.UsersAddress() != nil })
	denied = make(chan error, 16)
	options = append(options, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	conn, err := nats.Connect(s.UsersAddress().String(), options...)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn, denied
}

func subscribe(t *testing.T, conn *nats.Conn, subject string) *nats.Subscription {
	t.Helper()
	sub, err := conn.SubscribeSync(subject)
	require.NoError(t, err)
	require.NoError(t, conn.Flush())
	return sub
}

func nextMsg(t *testing.T, sub *nats.Subscription) *nats.Msg {
	t.Helper()
	m, err := sub.NextMsgWithContext(t.Context())
	require.NoError(t, err)
	return m
}

// Goal: events arrive on their subjects with all that is documented, values that do not fit are left out and say so, and
// how far the publisher is comes every second. Method: a real client; a put, an overwrite, a delete, a large value.
func TestUsersGetEvents(t *testing.T) {
	feed := newFakeFeed()
	s := start(t, Config{Feed: feed, Users: &Users{Listen: "127.0.0.1:0"}, PayloadBytesMax: 64 << 10}, nil)
	conn, _ := connectUser(t, s)
	sub := subscribe(t, conn, "quorate.kv.config.>")
	positions := subscribe(t, conn, "quorate.position")
	feed.commit(change{"/config/db/url", "a"}, change{"/other", "x"})
	feed.commit(change{"/config/db/url", "b"})
	feed.commit(change{"/config/db/url", ""})
	feed.commit(change{"/config/big", strings.Repeat("x", 64<<10)})
	for _, want := range []struct {
		subject, value string
		headers        map[string]string
	}{
		{"quorate.kv.config.db.url", "a", map[string]string{
			"Nats-Msg-Id": "0-2-0", "Quorate-Cluster": "0", "Quorate-Key": "/config/db/url", "Quorate-Type": "PUT", "Quorate-Revision": "2",
			"Quorate-Previous-Revision": "0", "Quorate-Create-Revision": "2", "Quorate-Version": "1", "Quorate-Lease": "0",
		}},
		{"quorate.kv.config.db.url", "b", map[string]string{"Quorate-Revision": "3", "Quorate-Previous-Revision": "2", "Quorate-Version": "2"}},
		{"quorate.kv.config.db.url", "", map[string]string{"Quorate-Type": "DELETE", "Quorate-Revision": "4", "Quorate-Previous-Revision": "3", "Quorate-Version": ""}},
		{"quorate.kv.config.big", "", map[string]string{"Quorate-Type": "PUT", "Quorate-Value-Bytes": fmt.Sprint(64 << 10)}},
	} {
		m := nextMsg(t, sub)
		require.Equal(t, want.subject, m.Subject)
		require.Equal(t, want.value, string(m.Data))
		for name, value := range want.headers {
			require.Equal(t, value, m.Header.Get(name), name)
		}
	}
	for at := int64(0); at < feed.revision(); { // a second may have been over before the events were published
		var err error
		at, err = strconv.ParseInt(nextMsg(t, positions).Header.Get("Quorate-Revision"), 10, 64)
		require.NoError(t, err)
		require.LessOrEqual(t, at, feed.revision())
	}
}

// Goal: users may subscribe to what is for them and do nothing else: they see nothing of the broadcast and publish
// nothing, not to each other either. Method: a client that tries, beside one that listens to all it may.
func TestUsersMayOnlySubscribe(t *testing.T) {
	feed := newFakeFeed()
	s := start(t, Config{Feed: feed, Users: &Users{Listen: "127.0.0.1:0", User: "me", Password: "secret"}}, nil)
	eventually(t, func() bool { return s.UsersAddress() != nil })
	for _, option := range []nats.Option{nats.UserInfo("me", "guess"), nats.UserInfo("quorate", ""), nats.UserInfo("anybody", "")} {
		_, err := nats.Connect(s.UsersAddress().String(), option)
		require.ErrorIs(t, err, nats.ErrAuthorization)
	}
	conn, denied := connectUser(t, s, nats.UserInfo("me", "secret"))
	all := subscribe(t, conn, "quorate.>")
	for _, subject := range []string{">", "$SYS.>", "_INBOX.x"} {
		_, err := conn.SubscribeSync(subject)
		require.NoError(t, err)
		require.ErrorIs(t, <-denied, nats.ErrPermissionViolation)
	}
	for _, subject := range []string{"quorate.kv.x", "quorate.watch.batch", "quorate.watch.claim", "other"} {
		require.NoError(t, conn.Publish(subject, []byte("forged")))
		require.ErrorIs(t, <-denied, nats.ErrPermissionViolation)
	}
	session := s.Open() // so that the broadcast has something to say
	defer session.Close()
	require.NoError(t, session.Add(&watchv1.Watch{Id: 1, Key: []byte("k"), StartRevision: firstRevision}))
	feed.commit(change{"k", "v"})
	for {
		if m := nextMsg(t, all); m.Subject != "quorate.position" {
			require.Equal(t, "quorate.kv.k", m.Subject)
			require.Equal(t, "v", string(m.Data))
			break
		}
	}
	_, err := session.Next(t.Context())
	require.NoError(t, err)
	for range 2 { // two seconds of what the broadcast says besides: nothing of it is for users
		require.Equal(t, "quorate.position", nextMsg(t, all).Subject)
	}
}

// Goal: whichever watch node a user's client is at, it hears of each event, through the one that ingests, also if that lets
// no users in. Method: two nodes, one of which lets users in; the ingester is whoever it is.
func TestUsersAtAnyNode(t *testing.T) {
	feed := newFakeFeed()
	first := startNode(t, feed)
	cfg := tightConfig(feed)
	cfg.Routes = &Routes{Listen: "127.0.0.1:0", Peers: []string{first.address(t)}}
	cfg.Users = &Users{Listen: "127.0.0.1:0"}
	second := &peerNode{Service: start(t, cfg, nil)}
	conn, _ := connectUser(t, second.Service)
	sub := subscribe(t, conn, "quorate.kv.>")
	positions := subscribe(t, conn, "quorate.position")
	ingesting(t, first, second)
	nextMsg(t, positions) // the ingester knows of the users
	for n := range 20 {
		revision := feed.commit(change{"k", fmt.Sprint(n)})
		require.Equal(t, fmt.Sprint(revision), nextMsg(t, sub).Header.Get("Quorate-Revision"))
	}
}
