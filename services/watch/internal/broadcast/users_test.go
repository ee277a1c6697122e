package broadcast

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

// openUsers opens a bus that lets users in.
func openUsers(t *testing.T, payloadBytesMax int) *Bus {
	t.Helper()
	bus, err := Open(Options{Log: slog.New(slog.DiscardHandler), PayloadBytesMax: payloadBytesMax, Users: &Users{Listen: "127.0.0.1:0", ConnectionsMax: usersAllowed}})
	require.NoError(t, err)
	t.Cleanup(bus.Close)
	return bus
}

// dialUser is a user's connection by hand, which asks for an answer behind what is sent.
func dialUser(t *testing.T, bus *Bus, sent string) *bufio.Reader {
	t.Helper()
	conn, err := net.Dial("tcp", bus.UsersAddress().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(64<<10))
	_, err = io.WriteString(conn, "CONNECT {\"verbose\":false}\r\n"+sent+"PING\r\n")
	require.NoError(t, err)
	return bufio.NewReader(conn)
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
	bus := openUsers(t, payloadBytes)
	require.Equal(t, "PONG", answered(t, dialUser(t, bus, "SUB quorate.> 1\r\n")))
	reading, err := nats.Connect(bus.UsersAddress().String())
	require.NoError(t, err)
	defer reading.Close()
	heard, err := reading.SubscribeSync("quorate.>")
	require.NoError(t, err)
	require.NoError(t, reading.Flush())
	value := make([]byte, payloadBytes-1024)
	for range 3 * userPayloadsMax {
		require.NoError(t, bus.PublishMsg(&nats.Msg{Subject: "quorate.kv.a", Data: value}))
		_, err := heard.NextMsgWithContext(t.Context())
		require.NoError(t, err)
		connections, err := bus.server.Connz(&server.ConnzOptions{Sort: server.ByPending, Limit: 1})
		require.NoError(t, err)
		for _, c := range connections.Conns {
			require.LessOrEqual(t, c.Pending, userPayloadsMax*payloadBytes, "bytes wait for somebody who does not read")
		}
	}
}

// usersAllowed is fewer than usersMax: descriptors may be few.
const usersAllowed = 8

// Goal: users are bounded in number, and so are the subscriptions of one. Method: one too many of each.
func TestUsersAreBounded(t *testing.T) {
	bus := openUsers(t, 1<<20)
	var subscriptions strings.Builder
	for id := range userSubscriptionsMax + 1 {
		fmt.Fprintf(&subscriptions, "SUB quorate.> %d\r\n", id)
	}
	greedy := dialUser(t, bus, subscriptions.String())
	require.Contains(t, answered(t, greedy), "maximum subscriptions exceeded")
	for range usersAllowed - 1 {
		require.Equal(t, "PONG", answered(t, dialUser(t, bus, "")))
	}
	_, err := nats.Connect(bus.UsersAddress().String())
	require.Error(t, err, "one more is refused, or finds its connection closed")
}
