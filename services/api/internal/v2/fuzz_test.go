package v2

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzRequest: whatever a request of /v2/keys has in its URL and form, reading it ends, its path never leads above the root, and a
// moment that a TTL leads to never lies before now.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/v2/keys/a?recursive=true&sorted=true&quorum=false", "")
	f.Add("PUT", "/v2/keys/%2e%2e/a", "value=v&ttl=60&prevExist=false")
	f.Add("PUT", "/v2/keys/a?prevIndex=7&prevValue=", "ttl=9223372036854775807&refresh=1")
	f.Add("POST", "/v2/keys//a//b/../?wait=true&waitIndex=x", "dir=%zz;;&value")
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := &http.Request{
			Method: method, URL: u, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			Body: http.MaxBytesReader(httptest.NewRecorder(), readCloser{strings.NewReader(body)}, 1<<20),
		}
		q, failure := read(r, now)
		if failure != nil {
			return
		}
		require.True(t, strings.HasPrefix(q.path, "/"), q.path)
		for name := range strings.SplitSeq(q.path[1:], "/") {
			require.NotContains(t, []string{".", ".."}, name, q.path)
		}
		require.True(t, q.ttl == nil || q.expiration >= now.UnixNano())
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// FuzzPatterns: the pattern of a v2 permission and the range that stands for it in v3 say the same.
func FuzzPatterns(f *testing.F) {
	for _, pattern := range []string{"*", "/a", "/a/*", "\xff\xff*", "\x00*", "a**"} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if pattern == "" {
			return // is refused before
		}
		of := spanOf(pattern)
		shown, ok := of.pattern()
		if ok {
			require.Equal(t, of, spanOf(shown), "%q is shown as %q", pattern, shown)
		}
	})
}

// FuzzPeerURLs: whatever a request to add a member brings, what is taken from it are URLs, and not too many.
func FuzzPeerURLs(f *testing.F) {
	f.Add("application/json", `{"peerURLs":["http://10.0.0.1:2380"]}`)
	f.Add("application/json; charset=utf-8", `{"peerURLs":["unix://a","http://[::1"]}`)
	f.Add("text/plain", `{`)
	f.Fuzz(func(t *testing.T, kind, body string) {
		urls, err := readPeerURLs(&http.Request{Header: http.Header{"Content-Type": {kind}}, Body: readCloser{strings.NewReader(body)}})
		if err != nil {
			return
		}
		require.NotEmpty(t, urls)
		for _, text := range urls {
			require.NoError(t, checkPeerURL(text))
		}
	})
}
