package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/api/internal/upstream"
)

// oneOf names members in turn.
type oneOf struct {
	endpoints []upstream.Endpoint
	asked     atomic.Int64
}

func (o *oneOf) Endpoint(context.Context) (upstream.Endpoint, error) {
	if len(o.endpoints) == 0 {
		return upstream.Endpoint{}, errors.New("nobody")
	}
	return o.endpoints[int(o.asked.Add(1)-1)%len(o.endpoints)], nil
}

// passing serves v2 by servers, and returns what asks it.
func passing(t *testing.T, ending context.Context, servers ...*httptest.Server) func(method, path, body string) (*http.Response, string) {
	t.Helper()
	members := new(oneOf)
	for _, server := range servers {
		endpoint, err := upstream.ParseEndpoint(server.URL, false)
		require.NoError(t, err)
		members.endpoints = append(members.endpoints, endpoint)
	}
	proxy := httptest.NewServer(NewV2(V2Config{Members: members, Ending: ending, RequestTimeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler)}))
	t.Cleanup(proxy.Close)
	return func(method, path, body string) (*http.Response, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, proxy.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		request.SetBasicAuth("anne", "pa")
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer, string(text)
	}
}

// Goal: an etcd with v2 is asked as it would be by the client, and its answers come as they are, those of missing keys too. Method: a server like that.
func TestV2IsPassedOn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Etcd-Index", "7")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errorCode":100,"cause":"`+strings.Join([]string{r.Method, r.URL.String(), user, password, string(body)}, " ")+`"}`)
	}))
	defer server.Close()
	answer, body := passing(t, t.Context(), server)(http.MethodPut, "/v2/keys/a?prevExist=true", "value=1")
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	require.Equal(t, "7", answer.Header.Get("X-Etcd-Index"))
	require.Equal(t, `{"errorCode":100,"cause":"PUT /v2/keys/a?prevExist=true anne pa value=1"}`, body)
}

// Goal: where there is no v2, the answer says so; other pages that are missing stay as they are. Method: a server without any page.
func TestMissingV2IsExplained(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	ask := passing(t, t.Context(), server)
	for path, want := range map[string]string{"/v2/keys/a": noV2, "/v2/members": noV2, "/v2/nonsense": "404 page not found"} {
		answer, body := ask(http.MethodGet, path, "")
		require.Equal(t, http.StatusNotFound, answer.StatusCode)
		require.Contains(t, body, want, path)
	}
}

// Goal: a read goes on at another member when one is lost, a write ends as etcd's does that has lost the others. Method: a server that cuts connections.
func TestV2OfLostMembers(t *testing.T) {
	lost := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer lost.Close()
	well := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") }))
	defer well.Close()
	ask := passing(t, t.Context(), lost, well)
	answer, body := ask(http.MethodGet, "/v2/keys/a", "")
	require.Equal(t, http.StatusOK, answer.StatusCode, body)
	answer, body = ask(http.MethodPut, "/v2/keys/a", "value=1")
	require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
	require.Contains(t, body, `"errorCode":300`)
	require.Contains(t, body, "possibly due to connection lost")
}

// Goal: a wait ends with the server. Method: one that nothing answers.
func TestV2WaitsEnd(t *testing.T) {
	waiting := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-r.Context().Done()
	}))
	defer server.Close()
	ending, end := context.WithCancel(context.Background())
	ask := passing(t, ending, server)
	go func() {
		<-waiting
		end()
	}()
	answer, _ := ask(http.MethodGet, "/v2/keys/a?wait=true", "")
	require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
}
