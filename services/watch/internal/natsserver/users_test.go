package natsserver

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// pendingPayloads is what may wait for a user, in units of the largest payload.
const pendingPayloads = 16

// startForUsers starts a server that lets users in.
func startForUsers(t *testing.T, payloadBytesMax int) *Server {
	t.Helper()
	s, err := Start(Config{
		Logger: slog.New(slog.DiscardHandler), PayloadBytesMax: payloadBytesMax, PendingBytesMax: pendingPayloads * payloadBytesMax,
		Users: &Users{Listen: "127.0.0.1:0", ConnectionsMax: usersAllowed},
	})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	return s
}

// dialUser is a user's connection by hand, which asks for an answer behind what is sent.
func dialUser(t *testing.T, s *Server, sent string) *bufio.Reader {
	t.Helper()
	_, from := dialAs(t, s, "", sent)
	return from
}

// dialAs is dialUser of somebody who says more of themselves.
func dialAs(t *testing.T, s *Server, said, sent string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", s.UsersAddress().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(64<<10))
	_, err = io.WriteString(conn, "CONNECT {\"verbose\":false"+said+"}\r\n"+sent+"PING\r\n")
	require.NoError(t, err)
	return conn, bufio.NewReader(conn)
}

// answered reads until the server has answered a ping or refused something, and returns that line.
func answered(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	for {
		line, err := from.ReadString('\n')
		require.NoError(t, err)
		if line = strings.TrimSpace(line); line == "PONG" || strings.HasPrefix(line, "-ERR") {
			return line
		}
	}
}

// Goal: a user that does not read costs a bounded number of bytes, and others hear everything meanwhile. Method: one that
// subscribes and reads no more, beside one that counts; three times as much as may wait is published.
func TestUserThatDoesNotReadIsBounded(t *testing.T) {
	const payloadBytes = 256 << 10
	s := startForUsers(t, payloadBytes)
	require.Equal(t, "PONG", answered(t, dialUser(t, s, "SUB quorate.> 1\r\n")))
	reading, err := nats.Connect(s.UsersAddress().String())
	require.NoError(t, err)
	defer reading.Close()
	heard, err := reading.SubscribeSync("quorate.>")
	require.NoError(t, err)
	require.NoError(t, reading.Flush())
	publisher, err := s.Dial(PublisherUser)
	require.NoError(t, err)
	defer publisher.Close()
	value := make([]byte, payloadBytes-1024)
	for range 3 * pendingPayloads {
		require.NoError(t, publisher.PublishMsg(&nats.Msg{Subject: "quorate.kv.a", Data: value}))
		_, err := heard.NextMsgWithContext(t.Context())
		require.NoError(t, err)
		connections, err := s.NATS.Connz(&server.ConnzOptions{Sort: server.ByPending, Limit: 1})
		require.NoError(t, err)
		for _, c := range connections.Conns {
			require.LessOrEqual(t, c.Pending, pendingPayloads*payloadBytes, "bytes wait for somebody who does not read")
		}
	}
}

// usersAllowed is fewer than usersMax: descriptors may be few.
const usersAllowed = 8

// Goal: users are bounded in number, beside the connections of this process, and so are the subscriptions of one. Method: one
// too many of each.
func TestUsersAreBounded(t *testing.T) {
	s := startForUsers(t, 1<<20)
	for _, own := range []string{InternalUser, PublisherUser} {
		conn, err := s.Dial(own)
		require.NoError(t, err)
		defer conn.Close()
	}
	var subscriptions strings.Builder
	for id := range userSubscriptionsMax + 1 {
		fmt.Fprintf(&subscriptions, "SUB quorate.> %d\r\n", id)
	}
	greedy := dialUser(t, s, subscriptions.String())
	require.Contains(t, answered(t, greedy), "maximum subscriptions exceeded")
	for range usersAllowed - 1 {
		require.Equal(t, "PONG", answered(t, dialUser(t, s, "")))
	}
	_, err := nats.Connect(s.UsersAddress().String())
	require.Error(t, err, "one more is refused, or finds its connection closed")
}
