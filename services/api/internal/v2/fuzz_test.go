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

// FuzzParameters: parameters are those that net/http finds, each with the value that it takes for the first, or there is its error. Method: the
// same request read by both.
func FuzzParameters(f *testing.F) {
	many := strings.Repeat("a=1&", parametersPlainMax)
	for _, form := range []string{
		"", "value=v", "value=a%20b+c&value=2", "&&ttl", "=v&=", "a=b=c", "x;y=1", "x;y=1&%zz", "%zz&x;y", "a=%zz&b=%yy", "%61=1", many, many + "b;", many + "%zz",
	} {
		f.Add("PUT", formType, "a=url&wait=true", form)
		f.Add("PUT", formType, form, form)
		f.Add("POST", formType+"; charset=utf-8", form, form)
		f.Add("POST", formType+"; charset", form, form)
		f.Add("PUT", "", form, form)
		f.Add("GET", "", form, form)
		f.Add("DELETE", formType, form, form)
	}
	f.Fuzz(func(t *testing.T, method, kind, query, body string) {
		request := func() *http.Request {
			return &http.Request{
				Method: method, URL: &url.URL{RawQuery: query}, Header: http.Header{"Content-Type": {kind}}, Body: readCloser{strings.NewReader(body)},
			}
		}
		r := request()
		if method == http.MethodPatch {
			return // is refused before
		}
		failure := r.ParseForm()
		found, err := parameters(nil).of(request())
		if failure != nil {
			require.EqualError(t, err, failure.Error())
			return
		}
		require.NoError(t, err)
		for name, values := range r.Form {
			require.True(t, found.has(name), name)
			require.Equal(t, values[0], found.get(name), name)
		}
		for _, given := range found {
			require.Contains(t, r.Form, given.name)
		}
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
