package v2

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// shared is the server that most tests use, each in a directory of its own.
var shared *harness.Server

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, func(s *harness.Server) { shared = s }))
}

// node and event are what answers hold.
type node struct {
	Key        string     `json:"key"`
	Value      *string    `json:"value"`
	Dir        bool       `json:"dir"`
	Expiration *time.Time `json:"expiration"`
	TTL        int64      `json:"ttl"`
	Nodes      []*node    `json:"nodes"`
	Modified   int64      `json:"modifiedIndex"`
	Created    int64      `json:"createdIndex"`
}

type event struct {
	Action    string `json:"action"`
	Node      *node  `json:"node"`
	Prev      *node  `json:"prevNode"`
	ErrorCode int    `json:"errorCode"`
	Cause     string `json:"cause"`
	Index     int64  `json:"index"`
}

// answer is a whole answer.
type answer struct {
	event
	status int
	header http.Header
	body   string
}

// space is a test's own directory of a server.
type space struct {
	t   *testing.T
	url string
	dir string
}

// open gives a parallel test its own directory on the shared server.
func open(t *testing.T) *space {
	t.Helper()
	t.Parallel()
	return &space{t: t, url: shared.URL(), dir: "/" + t.Name()}
}

// own gives a parallel test a server for itself.
func own(t *testing.T, args ...string) (*space, *harness.Server) {
	t.Helper()
	t.Parallel()
	s := harness.Run(t, args...)
	return &space{t: t, url: s.URL()}, s
}

// key is the path of one of the test's nodes.
func (s *space) key(name string) string { return s.dir + "/" + name }

// request prepares a request for one of the test's nodes. A form travels in the body of a PUT or POST, else in the URL.
func (s *space) request(ctx context.Context, method, name, form string) *http.Request {
	s.t.Helper()
	target, body := s.url+"/v2/keys"+s.key(name), ""
	switch {
	case form == "":
	case method == http.MethodPut || method == http.MethodPost:
		body = form
	default:
		target += "?" + form
	}
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	require.NoError(s.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// do makes a request and reads its whole answer. A TTL in it is what is left until the end, in whole seconds, begun ones in full.
func (s *space) do(method, name, form string) *answer {
	s.t.Helper()
	asked := time.Now()
	resp, err := http.DefaultClient.Do(s.request(harness.Context(s.t), method, name, form))
	require.NoError(s.t, err)
	a := read(s.t, resp)
	if n := a.Node; n != nil && n.Expiration != nil {
		require.GreaterOrEqual(s.t, float64(n.TTL), time.Until(*n.Expiration).Seconds(), a.body)
		require.Less(s.t, float64(n.TTL), n.Expiration.Sub(asked).Seconds()+1, a.body)
	}
	return a
}

func read(t *testing.T, resp *http.Response) *answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := &answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if resp.Header.Get("Content-Type") == "application/json" && len(body) > 0 {
		require.NoError(t, json.NewDecoder(bytes.NewReader(body)).Decode(&a.event), a.body)
	}
	return a
}

func (s *space) put(name, form string) *answer { s.t.Helper(); return s.do(http.MethodPut, name, form) }

func (s *space) get(name, form string) *answer { s.t.Helper(); return s.do(http.MethodGet, name, form) }

func (s *space) delete(name, form string) *answer {
	s.t.Helper()
	return s.do(http.MethodDelete, name, form)
}

// index is the number in a header.
func (a *answer) index(t *testing.T, name string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(a.header.Get(name), 10, 64)
	require.NoError(t, err, name)
	return n
}

// waiter is a GET with wait=true whose headers have come.
type waiter struct {
	t      *testing.T
	resp   *http.Response
	lines  *json.Decoder
	cancel context.CancelFunc
}

// wait begins to wait for events of one of the test's nodes.
func (s *space) wait(name, form string) *waiter {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	s.t.Cleanup(cancel)
	resp, err := http.DefaultClient.Do(s.request(ctx, http.MethodGet, name, "wait=true&"+form))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { resp.Body.Close() })
	require.Equal(s.t, http.StatusOK, resp.StatusCode)
	return &waiter{t: s.t, resp: resp, lines: json.NewDecoder(resp.Body), cancel: cancel}
}

// next is the next event of the answer.
func (w *waiter) next() *event {
	w.t.Helper()
	e := &event{}
	require.NoError(w.t, w.lines.Decode(e))
	return e
}

// last is the event of an answer that holds one.
func (w *waiter) last() *event {
	w.t.Helper()
	e := w.next()
	require.ErrorIs(w.t, w.lines.Decode(&event{}), io.EOF, "the answer goes on")
	return e
}

// value is a file's value.
func (n *node) value() string {
	if n == nil || n.Value == nil {
		return "none"
	}
	return *n.Value
}
