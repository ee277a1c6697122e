package console

import (
	"context"
	"net/http"
	"os"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/console/v1/consolev1connect"
	"github.com/quoratedb/quorate/tests/harness"
)

var shared *harness.Server

func TestMain(m *testing.M) {
	if harness.IsPeer() {
		os.Exit(0) // etcd has no console
	}
	os.Exit(harness.Main(m, func(s *harness.Server) { shared = s }))
}

// withToken sends a token as the page does.
type withToken string

func (token withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+string(token))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// page is the console's methods as a page calls them that has a token, or none. A page asks for no compression of its stream's messages, and Go's client
// must not either: compressing them costs the server more than all the rest.
func page(s *harness.Server, token string) consolev1connect.ConsoleServiceClient {
	return consolev1connect.NewConsoleServiceClient(&http.Client{Transport: withToken(token)}, s.URL(), connect.WithProtoJSON(), connect.WithAcceptCompression("gzip", nil, nil))
}

// put puts keys with their values, in pairs, and returns the last revision.
func put(t *testing.T, client *clientv3.Client, pairs ...string) (revision int64) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		answer, err := client.Put(harness.Context(t), pairs[i], pairs[i+1])
		require.NoError(t, err)
		revision = answer.Header.Revision
	}
	return revision
}

// valuesBelow returns what is below a prefix.
func valuesBelow(t *testing.T, client *clientv3.Client, prefix string) map[string]string {
	t.Helper()
	answer, err := client.Get(harness.Context(t), prefix, clientv3.WithPrefix())
	require.NoError(t, err)
	values := map[string]string{}
	for _, kv := range answer.Kvs {
		values[string(kv.Key)[len(prefix):]] = string(kv.Value)
	}
	return values
}

// previewed asks for all pages of a preview, limit changes at a time or as many as there is time for, and returns its changes and revision.
func previewed(t *testing.T, ctx context.Context, to consolev1connect.ConsoleServiceClient, plan *consolev1.Plan, limit int64) (changes []*consolev1.Change, revision int64) {
	t.Helper()
	request := &consolev1.PreviewRequest{Plan: plan, Limit: limit, WithValues: true}
	for {
		answer, err := to.Preview(ctx, request)
		require.NoError(t, err)
		changes = append(changes, answer.Changes...)
		if request.Revision != 0 {
			require.Equal(t, request.Revision, answer.Revision)
		}
		request.Revision, request.After = answer.Revision, answer.NextAfter
		if !answer.More {
			return changes, answer.Revision
		}
	}
}

// applied applies a plan to its end, limit changes at a time or as many as there is time for.
func applied(t *testing.T, ctx context.Context, to consolev1connect.ConsoleServiceClient, plan *consolev1.Plan, revision, limit int64) (done int64, conflicts []*consolev1.Conflict) {
	t.Helper()
	request := &consolev1.ApplyRequest{Plan: plan, Revision: revision, Limit: limit}
	for {
		answer, err := to.Apply(ctx, request)
		require.NoError(t, err)
		require.Empty(t, answer.Failed)
		done, conflicts = done+answer.Applied, append(conflicts, answer.Conflicts...)
		request.After = answer.NextAfter
		if !answer.More {
			return done, conflicts
		}
	}
}

// summary tells changes in short: kind, key and values.
func summary(changes []*consolev1.Change) (lines []string) {
	for _, c := range changes {
		lines = append(lines, c.Kind.String()[len("KIND_"):]+" "+string(c.Key)+" "+string(c.ValueBefore)+">"+string(c.ValueAfter))
	}
	return lines
}
