package proxy

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: in front of an etcd that still has v2 the proxy serves it, waits included, beside v3. Method: etcd 3.5, which make moving builds and names.
func TestV2OfAnOldEtcd(t *testing.T) {
	var binary string
	for _, path := range strings.Fields(os.Getenv("QUORATE_TEST_ETCDS")) {
		if filepath.Base(path) == "etcd35" {
			binary = path
		}
	}
	if binary == "" {
		t.Skip("QUORATE_TEST_ETCDS names no etcd35")
	}
	t.Parallel()
	etcd := harness.New(harness.Config{Binary: binary, DataDir: t.TempDir(), Args: []string{"--enable-v2"}})
	require.NoError(t, etcd.Start(harness.Context(t)))
	t.Cleanup(etcd.Kill)
	p := harness.Proxy(t, etcd.Endpoint())
	code, body := ask(t, http.MethodPut, p.URL()+"/v2/keys/a/b", "value=1")
	require.Equal(t, http.StatusCreated, code, body)
	waited := make(chan string)
	go func() {
		_, event := ask(t, http.MethodGet, p.URL()+"/v2/keys/a?wait=true&recursive=true&waitIndex=1", "")
		waited <- event
	}()
	require.Contains(t, <-waited, `"action":"set"`)
	code, body = ask(t, http.MethodGet, p.URL()+"/v2/keys/missing", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, body, `"errorCode":100`)
	code, body = ask(t, http.MethodGet, p.URL()+"/v2/members", "")
	require.Equal(t, http.StatusOK, code, body)
	client, ctx := harness.Client(t, p), short(t)
	watch := client.Watch(ctx, "a")
	_, err := client.Put(ctx, "a", "1")
	require.NoError(t, err)
	require.NotEmpty(t, (<-watch).Events)
}
