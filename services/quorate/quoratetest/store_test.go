package quoratetest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/quorate"
)

// call uses the JSON wire, which needs no client's package.
func call(t *testing.T, url, path, body string) string {
	t.Helper()
	resp, err := http.Post(url+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(answer))
	return string(answer)
}

// Goal: tests that run at the same time have stores of their own. Method: the example twice at once, with another value each.
func TestTwiceAtOnce(t *testing.T) {
	for _, value := range []string{"b25l", "dHdv"} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			store := New(t)
			require.Len(t, store.Endpoints(), 1)
			call(t, store.URLs()[0], "/v3/kv/put", `{"key":"a2V5","value":"`+value+`"}`)
			require.Contains(t, call(t, store.URLs()[0], "/v3/kv/range", `{"key":"a2V5"}`), value)
		})
	}
}

// Goal: several members are one cluster. Method: what is put at one is read at each.
func TestMembers(t *testing.T) {
	store := New(t, Members(3), Configure(func(c *quorate.Config) { c.EnableV2 = false }))
	require.Len(t, store.Endpoints(), 3)
	call(t, store.URLs()[1], "/v3/kv/put", `{"key":"a2V5","value":"dHdv"}`)
	for _, url := range store.URLs() {
		require.Contains(t, call(t, url, "/v3/kv/range", `{"key":"a2V5"}`), "dHdv")
		resp, err := http.Get(url + "/v2/keys/")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
	}
}

// Goal: a store ends with its test. Method: one in a test of its own; afterwards nobody answers.
func TestEndsWithItsTest(t *testing.T) {
	var url string
	t.Run("inner", func(t *testing.T) { url = New(t).URLs()[0] })
	_, err := http.Get(url + "/version")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// Goal: a port that somebody takes meanwhile costs another try, not the test. Method: a start whose second member finds one of its ports taken says
// so in the way that New looks for, and ends the first, which waits for the second.
func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	members := 0
	_, err = start(options{members: 2, configure: func(c *quorate.Config) {
		if members++; members == 2 {
			c.ListenMetricsURLs = []string{"http://" + taken.Addr().String()}
		}
	}}, t.TempDir(), &testLog{})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}
