package api

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: whoever opens the address of a server learns what it is and where to look, and what is named there is there. Method: a browser's
// request and curl's; then each path that the answer names.
func TestWelcome(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), func(cfg *Config) { cfg.Versions.Server = "3.7.9" }).address
	answer, page := ask(t, h1(t), http.MethodGet, url+"/", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", answer.Header.Get("Content-Type"))
	require.Contains(t, page, "etcd 3.7.9")

	require.Contains(t, page, "etcdctl --endpoints="+url+" put greeting hello", "as the reader has reached it")

	answer, body := ask(t, h1(t), http.MethodGet, url+"/", "Accept", "*/*")
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	var said welcome
	require.NoError(t, json.Unmarshal([]byte(body), &said))
	require.Equal(t, "3.7.9", said.Etcd)
	require.Contains(t, said.Paths, "/metrics")
	for path := range said.Paths {
		answer, _ := ask(t, h1(t), http.MethodGet, url+path)
		require.NotEqual(t, http.StatusNotFound, answer.StatusCode, path)
		require.Regexp(t, regexp.MustCompile(`<a href="`+regexp.QuoteMeta(path)+`">`), page)
	}
	require.NotContains(t, said.Paths, "/v2/keys/", "there is no tree here")

	answer, _ = ask(t, h1(t), http.MethodPost, url+"/")
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
}

// Goal: the line to copy reaches the server that the page is of, and is safe in a shell. Method: hosts as browsers send them, with and without TLS.
func TestWelcomeNamesItsEndpoint(t *testing.T) {
	for host, want := range map[string][2]string{
		"127.0.0.1:2379": {"", "--endpoints=https://127.0.0.1:2379 "},
		"localhost:2379": {"", "--endpoints=https://localhost:2379 "},
		"[::1]:4000":     {"--endpoints=http://[::1]:4000 ", "--endpoints=https://[::1]:4000 "},
		"store.example":  {"--endpoints=http://store.example:80 ", "--endpoints=https://store.example:443 "},
		"[fd00::1]":      {"--endpoints=http://[fd00::1]:80 ", "--endpoints=https://[fd00::1]:443 "},
		"a;reboot:2379":  {"", ""},
		"<b>:2379":       {"", ""},
		"$(reboot)":      {"", ""},
		"":               {"", ""},
	} {
		require.Equal(t, want, [2]string{endpoint(&http.Request{Host: host}), endpoint(&http.Request{Host: host, TLS: &tls.ConnectionState{}})}, host)
	}
}

// Goal: a request without a content-type, as curl sends it, is told what is missing. Method: what curl sends, to a method with one answer
// and to a stream.
func TestContentTypeIsExplained(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), nil).address
	for name, c := range map[string]struct{ path, kind, want string }{
		"curl's":  {"/etcdserverpb.KV/Range", "application/x-www-form-urlencoded", "-H 'content-type: application/json'"},
		"none":    {"/etcdserverpb.KV/Range", "", `The content-type is ""`},
		"stream":  {"/etcdserverpb.KV/RangeStream", "application/json", "POST /v3/watch"},
		"unknown": {"/quorate.v1.QuotaService/QuotaList", "text/plain", "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(within(t), http.MethodPost, url+c.path, strings.NewReader(`{"key":"Zm9v"}`))
			require.NoError(t, err)
			if c.kind != "" {
				request.Header.Set("Content-Type", c.kind)
			}
			answer, err := h1(t).Do(request)
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusUnsupportedMediaType, answer.StatusCode)
			require.Contains(t, string(body), c.want)
			require.Contains(t, string(body), "This method takes ")
			require.Equal(t, "text/plain; charset=utf-8", answer.Header.Get("Content-Type"))
		})
	}
}
