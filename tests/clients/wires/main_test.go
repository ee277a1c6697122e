package wires

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

var shared *harness.Server

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, func(s *harness.Server) { shared = s }))
}

// ours skips a test of a wire that etcd does not have.
func ours(t *testing.T) {
	t.Helper()
	if harness.IsPeer() {
		t.Skip("etcd has no such wire")
	}
	t.Parallel()
}

// call sends one JSON request as curl would and returns the answer.
func call(t *testing.T, client *http.Client, method, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Context(t), http.MethodPost, shared.URL()+"/etcdserverpb."+method, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer := map[string]any{}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, answer
}

// frame is a message as streams of Connect, gRPC and gRPC-Web have it.
func frame(message string) string {
	header := make([]byte, 5)
	binary.BigEndian.PutUint32(header[1:], uint32(len(message)))
	return string(header) + message
}

// readFrame returns a message and its flags.
func readFrame(t *testing.T, from io.Reader) (byte, string) {
	t.Helper()
	var header [5]byte
	_, err := io.ReadFull(from, header[:])
	require.NoError(t, err)
	message := make([]byte, binary.BigEndian.Uint32(header[1:]))
	_, err = io.ReadFull(from, message)
	require.NoError(t, err)
	return header[0], string(message)
}

// http2 is a client that speaks HTTP/2 without TLS.
func http2() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols}}
}
