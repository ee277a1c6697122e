package proxy

import (
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

var shared *harness.Server

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, func(s *harness.Server) { shared = s }))
}

// patience bounds what tests wait for, step is how often they look.
const (
	patience = 30 * time.Second
	step     = 50 * time.Millisecond
)

// ask makes a request over HTTP and returns the code and the body.
func ask(t *testing.T, method, url, form string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Context(t), method, url, strings.NewReader(form))
	require.NoError(t, err)
	if strings.HasPrefix(form, "{") {
		request.Header.Set("Content-Type", "application/json")
	} else {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// upstreamWatches is how many watches a proxy has at the cluster.
func upstreamWatches(t *testing.T, p *harness.Server) int {
	t.Helper()
	_, metrics := ask(t, http.MethodGet, p.URL()+"/metrics", "")
	found := regexp.MustCompile(`(?m)^quorate_proxy_upstream_watches (\d+)`).FindStringSubmatch(metrics)
	require.NotNil(t, found)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// short bounds what is to be answered at once.
func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(harness.Context(t), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
