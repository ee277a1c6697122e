package api

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: etcd's JSON paths answer as etcd's do. Method: the requests of its documentation; the bodies are what etcd 3.7
// sends for the same messages.
func TestGateway(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), nil).address
	for name, c := range map[string]struct {
		path, sent string
		code       int
		body       string
	}{
		"range":           {"/v3/kv/range", `{"key":"Zm9v"}`, 200, `{"kvs":[{"key":"Zm9v","value":"dmFsdWU="}],"count":"1"}`},
		"former path":     {"/v3beta/kv/range", `{"key":"Zm9v"}`, 200, `{"kvs":[{"key":"Zm9v","value":"dmFsdWU="}],"count":"1"}`},
		"unknown field":   {"/v3/kv/range", `{"key":"Zm9v","colour":1}`, 200, `{"kvs":[{"key":"Zm9v","value":"dmFsdWU="}],"count":"1"}`},
		"refusal":         {"/v3/kv/range", `{}`, 400, `{"code":3,"message":"etcdserver: key is not provided"}`},
		"not implemented": {"/v3/auth/status", `{}`, 501, `{"code":12,"message":"method AuthStatus not implemented"}`},
		"no such path":    {"/v3/kv/nothing", `{}`, 404, `{"code":5,"message":"Not Found"}`},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := h1(t).Post(url+c.path, "application/json", strings.NewReader(c.sent))
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, c.code, answer.StatusCode, string(body))
			require.JSONEq(t, c.body, string(body))
		})
	}
}

// Goal: a body that is larger than a request may be is refused while it is read. Method: a body without end.
func TestGatewayRefusesWhatIsTooLarge(t *testing.T) {
	s := serve(t, fakeServices(), nil)
	// The answer to a stream that fails so early is empty.
	for path, want := range map[string]string{"/v3/kv/put": "request is too large", "/v3/watch": ""} {
		body, client := io.Pipe()
		sent := make(chan int64, 1)
		go func() {
			n, _ := io.Copy(client, io.MultiReader(strings.NewReader(`{"key":"YQ==","value":"`), endless{}))
			sent <- n
		}()
		answer, err := h1(t).Post("http://"+s.address+path, "application/json", body)
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Contains(t, string(text), want, path)
		require.NoError(t, body.Close())
		require.Less(t, <-sent, int64(32<<20), path)
	}
}

// endless is base64 without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

// Goal: a watch over JSON streams, and does not hold up a stop. Method: read its first line, then stop.
func TestGatewayWatch(t *testing.T) {
	s := serve(t, fakeServices(), nil)
	// The request goes on after its first message, as long as the test does.
	rest, end := io.Pipe()
	defer end.Close()
	body := io.MultiReader(strings.NewReader(`{"create_request":{"key":"Zm9v","watch_id":"9"}}`), rest)
	answer, err := h2(t).Post("http://"+s.address+"/v3/watch", "application/json", body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	line, err := bufio.NewReader(answer.Body).ReadString('\n')
	require.NoError(t, err)
	require.JSONEq(t, `{"result":{"watch_id":"9","created":true}}`, line)
	s.stop()
	s.waitStopped(t, testTime)
	require.NoError(t, end.Close())
	require.NoError(t, answer.Body.Close())
}

// Goal: a range can be streamed in JSON too. Method: ask for one of three chunks.
func TestGatewayStreamsRanges(t *testing.T) {
	s := serve(t, fakeServices(), nil)
	answer, err := http.Post("http://"+s.address+"/v3/kv/rangestream", "application/json", strings.NewReader(`{"key":"Zm9v"}`))
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, 3, strings.Count(string(body), `{"result":{"range_response":{"kvs":[{"key":"Zm9v"`), string(body))
}
