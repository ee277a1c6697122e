package badinput

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: garbage on the port ends its own connection and nothing else. Method: bytes of no protocol, and broken ones of each; after each, a client
// is served and the process is the same.
func TestGarbageOnTheWire(t *testing.T) {
	t.Parallel()
	s := harness.Run(t)
	client := harness.Client(t, s)
	random := make([]byte, 100_000)
	_, _ = rand.Read(random)
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	for name, garbage := range map[string]string{
		"nothing":            "",
		"a newline":          "\r\n",
		"noise":              string(random),
		"zeros":              string(make([]byte, 10_000)),
		"half a preface":     preface[:10],
		"a preface":          preface,
		"a broken frame":     preface + "\xff\xff\xff\x00\x00\x00\x00\x00\x00",
		"headers of no size": preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x05\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff\xff",
		"half a request":     "POST /etcdserverpb.KV/Range HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
		"a TLS hello":        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"endless headers":    "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 500_000),
	} {
		conn, err := net.Dial("tcp", s.Endpoint())
		require.NoError(t, err, name)
		require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
		// The server may hang up before it has read everything.
		_, _ = io.Copy(conn, strings.NewReader(garbage))
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
		_, err = client.Put(harness.Context(t), "a", name)
		require.NoError(t, err, name)
	}
	require.NotContains(t, s.Output(), "panic")
}

// Goal: HTTP that is wrong gets the right status and a reason. Method: requests that Connect must refuse.
func TestMalformedHTTP(t *testing.T) {
	t.Parallel()
	newServer(t, "")
	s := harness.Run(t)
	for name, c := range map[string]struct {
		method, path, content, body string
		status                      int
		text                        string
	}{
		"no such path":    {"GET", "/nonsense", "", "", 404, ""},
		"no such method":  {"POST", "/etcdserverpb.KV/Nothing", "application/json", "{}", 404, ""},
		"not JSON":        {"POST", "/etcdserverpb.KV/Range", "application/json", "{", 400, "invalid_argument"},
		"wrong type":      {"POST", "/etcdserverpb.KV/Range", "application/json", `{"key":7}`, 400, "invalid_argument"},
		"not base64":      {"POST", "/etcdserverpb.KV/Range", "application/json", `{"key":"%"}`, 400, "invalid_argument"},
		"not a message":   {"POST", "/etcdserverpb.KV/Range", "application/proto", "\xff\xff", 400, "invalid_argument"},
		"no key":          {"POST", "/etcdserverpb.KV/Range", "application/json", "{}", 400, "etcdserver: key is not provided"},
		"unknown content": {"POST", "/etcdserverpb.KV/Range", "application/nonsense", "{}", 415, ""},
		"wrong verb":      {"PUT", "/etcdserverpb.KV/Range", "application/json", "{}", 405, ""},
		"too large":       {"POST", "/etcdserverpb.KV/Put", "application/proto", strings.Repeat("\x0a\x00", 8<<20), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(harness.Context(t), c.method, s.URL()+c.path, strings.NewReader(c.body))
			require.NoError(t, err)
			if c.content != "" {
				request.Header.Set("Content-Type", c.content)
			}
			resp, err := http.DefaultClient.Do(request)
			if err != nil && c.status == 0 {
				return // hung up on before all was read
			}
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			if c.status != 0 {
				require.Equal(t, c.status, resp.StatusCode, string(body))
			} else {
				require.GreaterOrEqual(t, resp.StatusCode, 400)
			}
			require.Contains(t, string(body), c.text)
		})
	}
}

// Goal: a client cannot make the server hold more than it may send. Method: many connections, each with a request far beyond the limit; the
// server's memory stays below the sum.
func TestOversizedRequestsAreNotHeld(t *testing.T) {
	t.Parallel()
	newServer(t, "")
	s := harness.Run(t)
	body := bytes.Repeat([]byte{0x0a, 0x00}, 16<<20)
	for range 8 {
		request, err := http.NewRequestWithContext(harness.Context(t), http.MethodPost, s.URL()+"/etcdserverpb.KV/Put", bytes.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/proto")
		if resp, err := http.DefaultClient.Do(request); err == nil {
			require.NotEqual(t, http.StatusOK, resp.StatusCode)
			resp.Body.Close()
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	require.NoError(t, err)
	var peak int
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") {
			_, err := fmt.Sscanf(line, "VmHWM: %d kB", &peak)
			require.NoError(t, err)
		}
	}
	require.Less(t, peak, 200<<10, "kB at most, of 256 MB sent")
}
