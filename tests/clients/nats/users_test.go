package nats

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: NATS is no way around users: once authentication is enabled nobody hears anything without a right to all keys of a subject, who
// was there before included, and a right that goes ends what was allowed by it. Method: a client of before, clients of a user with a
// directory, with half of one, of root, of nobody and with a wrong password; then the role loses its permission. All of it is on record.
func TestUsersOfTheStore(t *testing.T) {
	listen := fmt.Sprintf("127.0.0.1:%d", harness.FreePort())
	log := filepath.Join(t.TempDir(), "audit.log")
	server := harness.Run(t, "--nats-listen="+listen, "--audit-log="+log, "--bcrypt-cost=4")
	store := harness.Client(t, server)
	ctx := harness.Context(t)
	before := connect(t, listen, "", "")
	heard := subscribe(t, before, "quorate.>")
	_, err := store.Put(ctx, "/a/k", "1")
	require.NoError(t, err)
	require.Equal(t, "quorate.kv.a.k", next(t, ctx, heard))

	for _, step := range []func() error{
		func() error { _, err := store.UserAdd(ctx, "root", "secret"); return err },
		func() error { _, err := store.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := store.RoleAdd(ctx, "some"); return err },
		func() error { return allow(ctx, store, "/a/", "a/", "/half/", "//half/") }, // and not half/, whose subject is that of /half/
		func() error { _, err := store.UserAdd(ctx, "ann", "hers"); return err },
		func() error { _, err := store.UserGrantRole(ctx, "ann", "some"); return err },
		func() error { _, err := store.AuthEnable(ctx); return err },
	} {
		require.NoError(t, step())
	}
	require.Eventually(t, func() bool { return before.IsClosed() }, 20*time.Second, time.Millisecond, "who was let in without a name")
	for _, wrong := range [][2]string{{"", ""}, {"ann", "his"}, {"eve", "x"}, {"quorate", "x"}} {
		_, err := natsgo.Connect(listen, natsgo.UserInfo(wrong[0], wrong[1]), natsgo.Timeout(connectWithin))
		require.ErrorContains(t, err, "Authorization Violation", wrong)
	}
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint()}, Username: "root", Password: "secret", DialTimeout: 10 * time.Second})
	require.NoError(t, err)
	defer root.Close()

	all := subscribe(t, connect(t, listen, "root", "secret"), "quorate.kv.>")
	ann := connect(t, listen, "ann", "hers")
	hers := subscribe(t, ann, "quorate.kv.a.>")
	subscribe(t, ann, "quorate.position")
	for _, refused := range []string{"quorate.>", "quorate.kv.>", "quorate.kv.half.>", "quorate.kv.a", "quorate.kv.*.k", "quorate.long", ">"} {
		conn := connect(t, listen, "ann", "hers")
		problems := make(chan error, 1)
		conn.SetErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) { problems <- err })
		_, err := conn.SubscribeSync(refused)
		require.NoError(t, err)
		require.ErrorIs(t, <-problems, natsgo.ErrPermissionViolation, refused)
	}
	for _, key := range []string{"/half/k", "/a/k", "a/k", "/b"} {
		_, err := root.Put(ctx, key, "2")
		require.NoError(t, err)
	}
	require.Equal(t, "quorate.kv.a.k", next(t, ctx, hers))
	require.Equal(t, "quorate.kv.a.k", next(t, ctx, hers))
	for _, subject := range []string{"quorate.kv.half.k", "quorate.kv.a.k", "quorate.kv.a.k", "quorate.kv.b"} {
		require.Equal(t, subject, next(t, ctx, all))
	}
	_, err = root.RoleRevokePermission(ctx, "some", "a/", "a0")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return ann.IsClosed() }, 20*time.Second, time.Millisecond)
	again := connect(t, listen, "ann", "hers")
	problems := make(chan error, 1)
	again.SetErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) { problems <- err })
	_, err = again.SubscribeSync("quorate.kv.a.>")
	require.NoError(t, err)
	require.ErrorIs(t, <-problems, natsgo.ErrPermissionViolation)

	require.Eventually(t, func() bool { return recorded(t, log)["CONNECT ended Aborted ann  a/-a0 /a/-/a0"] > 0 }, 10*time.Second, 10*time.Millisecond, "%v", recorded(t, log))
	lines := recorded(t, log)
	for line, n := range map[string]int{
		"CONNECT allowed OK  ": 1, "SUB allowed OK  quorate.> \x00-\x00": 1, // before there were users
		"CONNECT refused PermissionDenied  ": 1, "CONNECT refused PermissionDenied ann ": 1,
		"CONNECT refused PermissionDenied eve ": 1, "CONNECT refused PermissionDenied quorate ": 1,
		"CONNECT allowed OK root ": 1, "SUB allowed OK root quorate.kv.> \x00-\x00": 1,
		"CONNECT allowed OK ann ": 9, "SUB allowed OK ann quorate.kv.a.> a/-a0 /a/-/a0": 1, "SUB allowed OK ann quorate.position": 1,
		"SUB refused PermissionDenied ann quorate.kv.half.> half/-half0 /half/-/half0": 1,
		"SUB refused PermissionDenied ann quorate.kv.a a- /a-":                         1,
		"SUB refused PermissionDenied ann quorate.kv.a.> a/-a0 /a/-/a0":                1, // later
	} {
		require.Equal(t, n, lines[line], "%q in %v", line, lines)
	}
}

// recorded counts the lines of an audit log that are about NATS clients.
func recorded(t *testing.T, log string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, line := range harness.AuditLines(t, log) {
		method, isNATS := strings.CutPrefix(line.Method, "nats/")
		if !isNATS {
			continue
		}
		require.True(t, strings.HasPrefix(line.Peer, "127.0.0.1:"), line.Peer)
		text := strings.Join([]string{method, line.Decision, line.Code, line.User, line.Subject}, " ")
		for _, of := range line.Ranges {
			text += " " + of.Key + "-" + of.RangeEnd
		}
		counts[text]++
	}
	return counts
}

func allow(ctx context.Context, store *clientv3.Client, prefixes ...string) error {
	for _, prefix := range prefixes {
		_, err := store.RoleGrantPermission(ctx, "some", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermRead))
		if err != nil {
			return err
		}
	}
	return nil
}

// connectWithin bounds a connection, for which NATS's client has two seconds of its own: less than a busy machine may take.
const connectWithin = 20 * time.Second

// connect comes in once: what ends the connection ends it for good.
func connect(t *testing.T, address, name, password string) *natsgo.Conn {
	t.Helper()
	conn, err := natsgo.Connect(address, natsgo.UserInfo(name, password), natsgo.NoReconnect(), natsgo.Timeout(connectWithin))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func subscribe(t *testing.T, conn *natsgo.Conn, subject string) *natsgo.Subscription {
	t.Helper()
	subscription, err := conn.SubscribeSync(subject)
	require.NoError(t, err)
	require.NoError(t, conn.Flush())
	require.NoError(t, conn.LastError())
	return subscription
}

// next returns the subject of the next message that is no position.
func next(t *testing.T, ctx context.Context, from *natsgo.Subscription) string {
	t.Helper()
	for {
		message, err := from.NextMsgWithContext(ctx)
		require.NoError(t, err)
		if message.Subject != "quorate.position" {
			return message.Subject
		}
	}
}
