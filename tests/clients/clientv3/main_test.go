package clientv3

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/tests/harness"
)

// shared is the server that most tests use; those that compact or need exact revisions run one of their own.
var shared *harness.Server

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, func(s *harness.Server) { shared = s }, "--watch-progress-notify-interval=1s"))
}

// keyspace is a test's own corner of the shared server.
type keyspace struct {
	*clientv3.Client
	t      *testing.T
	ctx    context.Context
	prefix string
}

// open gives a parallel test its own keys on the shared server.
func open(t *testing.T) *keyspace {
	t.Helper()
	t.Parallel()
	return &keyspace{Client: harness.Client(t, shared), t: t, ctx: harness.Context(t), prefix: t.Name() + "/"}
}

// own gives a parallel test a server for itself.
func own(t *testing.T, args ...string) (*keyspace, *harness.Server) {
	t.Helper()
	t.Parallel()
	s := harness.Run(t, args...)
	return &keyspace{Client: harness.Client(t, s), t: t, ctx: harness.Context(t), prefix: ""}, s
}

// key names one of the test's keys.
func (k *keyspace) key(name string) string { return k.prefix + name }

// end is the end of the range of all the test's keys that begin with name.
func (k *keyspace) end(name string) string { return clientv3.GetPrefixRangeEnd(k.prefix + name) }

// put writes one of the test's keys and returns the revision.
func (k *keyspace) put(name, value string, opts ...clientv3.OpOption) int64 {
	k.t.Helper()
	resp, err := k.Put(k.ctx, k.key(name), value, opts...)
	require.NoError(k.t, err)
	return resp.Header.Revision
}

// delete deletes one of the test's keys and returns the revision.
func (k *keyspace) delete(name string, opts ...clientv3.OpOption) int64 {
	k.t.Helper()
	resp, err := k.Delete(k.ctx, k.key(name), opts...)
	require.NoError(k.t, err)
	return resp.Header.Revision
}

// get reads.
func (k *keyspace) get(name string, opts ...clientv3.OpOption) *clientv3.GetResponse {
	k.t.Helper()
	resp, err := k.Get(k.ctx, k.key(name), opts...)
	require.NoError(k.t, err)
	return resp
}

// names returns the keys without the test's prefix.
func (k *keyspace) names(kvs []*mvccpb.KeyValue) []string {
	names := []string{}
	for _, kv := range kvs {
		names = append(names, string(kv.Key)[len(k.prefix):])
	}
	return names
}

// refused asserts that an error of the raw API has the code and text, to the letter.
func refused(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	require.Error(t, err)
	s, ok := status.FromError(err)
	require.True(t, ok, "%v is no status", err)
	require.Equal(t, code.String(), s.Code().String(), s.Message())
	require.Equal(t, text, s.Message())
}
