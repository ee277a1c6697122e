package v2

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// unreadMax is for how long a client reads nothing at least, before its stream ends.
const unreadMax = 30 * time.Second

// Goal: a stream of events whose client does not read ends, and holds up nobody meanwhile. Method: twenty streams over connections
// that take next to nothing, writes of far more than sockets hold, and then the server's count of watchers.
func TestStreamsThatNobodyReadsEnd(t *testing.T) {
	t.Parallel()
	const streams, writes = 20, 60
	server := harness.Run(t, "--enable-v2=true")
	for range streams {
		conn, err := (&net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		}}).Dial("tcp", server.Endpoint())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, "GET /v2/keys/unread?wait=true&stream=true&recursive=true HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
	}
	watchers := func() (n int) {
		resp, err := http.Get("http://" + server.Endpoint() + "/v2/stats/store")
		require.NoError(t, err)
		defer resp.Body.Close()
		var stats struct{ Watchers int }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&stats))
		return stats.Watchers
	}
	require.Eventually(t, func() bool { return watchers() == streams }, 20*time.Second, 10*time.Millisecond)
	began := time.Now()
	value := url.Values{"value": {strings.Repeat("v", 200<<10)}}.Encode()
	for n := range writes {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprintf("http://%s/v2/keys/unread/%d", server.Endpoint(), n), strings.NewReader(value))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusCreated, resp.StatusCode)
	}
	if open := watchers(); time.Since(began) < unreadMax { // else some may have ended, on a machine that has more to do
		require.Equal(t, streams, open, "they are still being written to, or the test shows nothing")
	}
	require.Eventually(t, func() bool { return watchers() == 0 }, 90*time.Second, 100*time.Millisecond)
}
