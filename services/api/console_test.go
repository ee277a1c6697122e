package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/console/v1/consolev1connect"
)

// get asks a server for a path, with headers in pairs.
func get(t *testing.T, s *serving, method, path string, headers ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(within(t), method, "http://"+s.address+path, strings.NewReader("{}"))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// Goal: the console is there with the policy that keeps other scripts and hosts out, for its own page under known names alone, and it is not
// there where it was not wanted. Method: ask for the page and for a method as browsers would, from this and from other pages.
func TestConsoleIsForItsOwnPage(t *testing.T) {
	s := serve(t, fakeServices(), func(cfg *Config) { cfg.Hosts = []string{"store.example", "*"} })
	page := get(t, s, http.MethodGet, "/console/")
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Equal(t, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "+
		"form-action 'none'; frame-ancestors 'none'", page.Header.Get("Content-Security-Policy"))
	require.Equal(t, "nosniff", page.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-referrer", page.Header.Get("Referrer-Policy"))
	require.Equal(t, "no-cache", page.Header.Get("Cache-Control"))
	require.Empty(t, page.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, http.StatusNotModified, get(t, s, http.MethodGet, "/console/", "If-None-Match", page.Header.Get("ETag")).StatusCode)
	require.Equal(t, "/console/", get(t, s, http.MethodGet, "/console").Header.Get("Location"))
	require.Equal(t, http.StatusNotFound, get(t, s, http.MethodGet, "/console/secret").StatusCode)

	const json = "application/json"
	for _, path := range []string{"/console/", consolev1connect.ConsoleServiceSeriesProcedure} {
		method := http.MethodPost
		if strings.HasPrefix(path, "/console") {
			method = http.MethodGet
		}
		for host, status := range map[string]int{
			"store.example": http.StatusOK, "STORE.example.:1": http.StatusOK, "localhost:2379": http.StatusOK, "[::1]:2379": http.StatusOK, "10.0.0.7": http.StatusOK,
			"evil.example": http.StatusMisdirectedRequest, "127.0.0.1.evil.example": http.StatusMisdirectedRequest,
		} {
			require.Equal(t, status, get(t, s, method, path, "Host", host, "Content-Type", json).StatusCode, "%s of %s", path, host)
		}
	}
	series := consolev1connect.ConsoleServiceSeriesProcedure
	require.Equal(t, http.StatusForbidden, get(t, s, http.MethodPost, series, "Origin", "http://evil.example", "Content-Type", json).StatusCode)
	require.Equal(t, http.StatusForbidden, get(t, s, http.MethodPost, series, "Sec-Fetch-Site", "cross-site", "Content-Type", json).StatusCode)
	require.Equal(t, http.StatusOK, get(t, s, http.MethodPost, series, "Origin", "http://"+s.address, "Content-Type", json).StatusCode)

	none := serve(t, fakeServices(), func(cfg *Config) { cfg.NoConsole = true })
	require.Equal(t, http.StatusNotFound, get(t, none, http.MethodGet, "/console/").StatusCode)
	require.Equal(t, http.StatusNotFound, get(t, none, http.MethodPost, series, "Content-Type", json).StatusCode)
}

// Goal: the console's stream ends with the server, and everything that it has started. Method: stop a server while a page listens; what
// goleak finds, and a stop that takes too long, fail the test.
func TestConsoleStreamEndsWithTheServer(t *testing.T) {
	services := fakeServices()
	services.Watch = fakeWatch{}
	s := serve(t, services, nil)
	client := consolev1connect.NewConsoleServiceClient(http.DefaultClient, "http://"+s.address)
	stream, err := client.Live(within(t), &consolev1.LiveRequest{Series: true, Watches: []*consolev1.LiveWatch{{Id: 7, Key: []byte("k")}}})
	require.NoError(t, err)
	var series, started bool
	for !series || !started {
		require.True(t, stream.Receive(), "%v", stream.Err())
		series = series || stream.Msg().GetSeries() != nil
		started = started || stream.Msg().GetStarted().GetWatchId() == 7
	}
	s.stop()
	for stream.Receive() {
	}
	require.ErrorContains(t, stream.Err(), "server stopped")
	require.NoError(t, stream.Close())
}
