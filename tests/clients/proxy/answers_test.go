package proxy

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: answers through the proxy are the member's, headers, codes and texts included. Method: the same requests to both, of a kind each.
func TestAnswersAreTheMembers(t *testing.T) {
	t.Parallel()
	p := harness.Proxy(t, shared.Endpoint())
	direct, through := harness.Client(t, shared), harness.Client(t, p)
	ctx := short(t)
	_, err := through.Put(ctx, "answers/a", "1")
	require.NoError(t, err)
	type call func(*clientv3.Client) (proto.Message, error)
	raw := func(make func(etcdserverpb.KVClient) (proto.Message, error)) call {
		return func(c *clientv3.Client) (proto.Message, error) {
			return make(etcdserverpb.NewKVClient(c.ActiveConnection()))
		}
	}
	for name, ask := range map[string]call{
		"range": raw(func(kv etcdserverpb.KVClient) (proto.Message, error) {
			return kv.Range(ctx, &etcdserverpb.RangeRequest{Key: []byte("answers/"), RangeEnd: []byte("answers0"), Revision: 0})
		}),
		"empty key": raw(func(kv etcdserverpb.KVClient) (proto.Message, error) {
			return kv.Range(ctx, &etcdserverpb.RangeRequest{})
		}),
		"future": raw(func(kv etcdserverpb.KVClient) (proto.Message, error) {
			return kv.Range(ctx, &etcdserverpb.RangeRequest{Key: []byte("a"), Revision: 1 << 40})
		}),
		"no lease": raw(func(kv etcdserverpb.KVClient) (proto.Message, error) {
			return kv.Put(ctx, &etcdserverpb.PutRequest{Key: []byte("a"), Lease: 12345})
		}),
		"duplicate keys": raw(func(kv etcdserverpb.KVClient) (proto.Message, error) {
			put := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: []byte("a")}}}
			return kv.Txn(ctx, &etcdserverpb.TxnRequest{Success: []*etcdserverpb.RequestOp{put, put}})
		}),
		"too large": raw(func(kv etcdserverpb.KVClient) (proto.Message, error) {
			return kv.Put(ctx, &etcdserverpb.PutRequest{Key: []byte("a"), Value: make([]byte, 3<<19)})
		}),
		"sorted stream": func(c *clientv3.Client) (proto.Message, error) {
			stream, err := etcdserverpb.NewKVClient(c.ActiveConnection()).RangeStream(ctx, &etcdserverpb.RangeRequest{Key: []byte("a"), SortOrder: etcdserverpb.RangeRequest_DESCEND})
			if err != nil {
				return nil, err
			}
			return stream.Recv()
		},
		"stream": func(c *clientv3.Client) (proto.Message, error) {
			stream, err := etcdserverpb.NewKVClient(c.ActiveConnection()).RangeStream(ctx, &etcdserverpb.RangeRequest{Key: []byte("answers/a")})
			if err != nil {
				return nil, err
			}
			return stream.Recv()
		},
		"no such lease": func(c *clientv3.Client) (proto.Message, error) {
			return etcdserverpb.NewLeaseClient(c.ActiveConnection()).LeaseRevoke(ctx, &etcdserverpb.LeaseRevokeRequest{ID: 4711})
		},
		"log-in": func(c *clientv3.Client) (proto.Message, error) {
			return etcdserverpb.NewAuthClient(c.ActiveConnection()).Authenticate(ctx, &etcdserverpb.AuthenticateRequest{Name: "x", Password: "y"})
		},
		"members": func(c *clientv3.Client) (proto.Message, error) {
			return etcdserverpb.NewClusterClient(c.ActiveConnection()).MemberList(ctx, &etcdserverpb.MemberListRequest{})
		},
	} {
		want, wantErr := ask(direct)
		got, gotErr := ask(through)
		require.Equal(t, status.Code(wantErr), status.Code(gotErr), name)
		require.Equal(t, status.Convert(wantErr).Message(), status.Convert(gotErr).Message(), name)
		if wantErr == nil {
			require.True(t, proto.Equal(want, got), "%s: %v, %v", name, want, got)
		}
	}
}

// Goal: the proxy has every wire. Method: one request on each, and what needs a stream, by clients of etcd's.
func TestWires(t *testing.T) {
	t.Parallel()
	p := harness.Proxy(t, shared.Endpoint())
	ctx := short(t)
	code, body := ask(t, http.MethodPost, p.URL()+"/v3/kv/put", `{"key": "d2lyZXM=", "value": "MQ=="}`)
	require.Equal(t, http.StatusOK, code, body)
	code, body = ask(t, http.MethodPost, p.URL()+"/etcdserverpb.KV/Range", `{"key": "d2lyZXM="}`)
	require.Equal(t, http.StatusOK, code, body)
	require.Contains(t, body, `"value":"MQ=="`)
	code, body = ask(t, http.MethodPut, p.URL()+"/v2/keys/wires/v2", "value=2")
	require.Equal(t, http.StatusCreated, code, body)
	_, body = ask(t, http.MethodGet, p.URL()+"/v2/keys/wires/v2", "")
	require.Contains(t, body, `"value":"2"`)
	waited := make(chan string)
	go func() {
		_, body := ask(t, http.MethodGet, p.URL()+"/v2/keys/wires/v2?wait=true&waitIndex=1", "")
		waited <- body
	}()
	require.Contains(t, <-waited, `"action"`)
	for _, path := range []string{"/health", "/readyz", "/livez", "/version", "/"} {
		code, body = ask(t, http.MethodGet, p.URL()+path, "")
		require.Equal(t, http.StatusOK, code, path+body)
	}

	client := harness.Client(t, p)
	session, err := concurrency.NewSession(client, concurrency.WithTTL(10), concurrency.WithContext(ctx))
	require.NoError(t, err)
	defer session.Close()
	mutex := concurrency.NewMutex(session, "wires/lock")
	require.NoError(t, mutex.Lock(ctx))
	require.NoError(t, mutex.Unlock(ctx))
	election := concurrency.NewElection(session, "wires/election")
	require.NoError(t, election.Campaign(ctx, "me"))
	leader, err := election.Leader(ctx)
	require.NoError(t, err)
	require.Equal(t, "me", string(leader.Kvs[0].Value))
	snapshot, err := client.SnapshotWithVersion(ctx)
	require.NoError(t, err)
	require.NoError(t, snapshot.Snapshot.Close())
}

// Goal: v2 in front of an etcd that has none any more is a 404 that says why, and v3 works there. Method: etcd 3.7.
func TestInFrontOfEtcd(t *testing.T) {
	t.Parallel()
	etcd := etcdServer(t)
	p := harness.Proxy(t, etcd.Endpoint())
	code, body := ask(t, http.MethodGet, p.URL()+"/v2/keys/", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, body, "has no v2 API")
	client, ctx := harness.Client(t, p), short(t)
	watch := client.Watch(ctx, "a")
	put, err := client.Put(ctx, "a", "1")
	require.NoError(t, err)
	event := <-watch
	require.NoError(t, event.Err())
	require.Equal(t, put.Header.Revision, event.Events[0].Kv.ModRevision)
	require.NoError(t, client.RequestProgress(ctx))
	progress := <-watch
	require.True(t, progress.IsProgressNotify())
	require.GreaterOrEqual(t, progress.Header.Revision, put.Header.Revision)
}

// etcdServer runs an etcd for the length of a test.
func etcdServer(t *testing.T) *harness.Server {
	t.Helper()
	binary, err := harness.Peer("etcd")
	require.NoError(t, err)
	etcd := harness.New(harness.Config{Binary: binary, DataDir: t.TempDir()})
	require.NoError(t, etcd.Start(context.Background()))
	t.Cleanup(etcd.Kill)
	return etcd
}

// Goal: below a namespace clients see their keys alone, and others see them with it. Method: every kind of request that names keys.
func TestNamespace(t *testing.T) {
	t.Parallel()
	p := harness.Proxy(t, shared.Endpoint(), "--namespace=space/")
	inside, outside, ctx := harness.Client(t, p), harness.Client(t, shared), short(t)
	_, err := outside.Put(ctx, "spaced", "not inside")
	require.NoError(t, err)
	watch := inside.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	<-watch
	lease, err := inside.Grant(ctx, 60)
	require.NoError(t, err)
	_, err = inside.Put(ctx, "k", "1", clientv3.WithLease(lease.ID))
	require.NoError(t, err)
	_, err = outside.Put(ctx, "other/k", "1")
	require.NoError(t, err)
	txn, err := inside.Txn(ctx).If(clientv3.Compare(clientv3.Value("k"), "=", "1")).
		Then(clientv3.OpPut("k", "2", clientv3.WithPrevKV()), clientv3.OpGet("k"), clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet("", clientv3.WithFromKey())}, nil)).Commit()
	require.NoError(t, err)
	require.True(t, txn.Succeeded)
	require.Equal(t, "k", string(txn.Responses[0].GetResponsePut().GetPrevKv().GetKey()))
	require.Equal(t, "k", string(txn.Responses[1].GetResponseRange().GetKvs()[0].GetKey()))
	require.Len(t, txn.Responses[2].GetResponseTxn().GetResponses()[0].GetResponseRange().GetKvs(), 1)
	for want := 1; want <= 2; {
		for _, event := range (<-watch).Events {
			require.Equal(t, "k", string(event.Kv.Key))
			want++
		}
	}
	keys, err := inside.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
	require.NoError(t, err)
	require.Empty(t, keys.Keys) // the second put took the key off
	all, err := inside.Get(ctx, "", clientv3.WithPrefix())
	require.NoError(t, err)
	require.EqualValues(t, 1, all.Count)
	seen, err := outside.Get(ctx, "space/k")
	require.NoError(t, err)
	require.Len(t, seen.Kvs, 1)
	code, body := ask(t, http.MethodGet, p.URL()+"/v2/keys/", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, body, "namespace")
}

// Goal: while no member can be reached requests end in etcd's words, in bounded time. Method: a proxy in front of nothing, with and without a time of
// the client's; then of a member that comes.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	p := harness.Proxy(t, "127.0.0.1:1")
	kv := etcdserverpb.NewKVClient(harness.Client(t, p).ActiveConnection())
	hurried, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := kv.Put(hurried, &etcdserverpb.PutRequest{Key: []byte("a")})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	_, err = kv.Put(short(t), &etcdserverpb.PutRequest{Key: []byte("a")})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, "etcdserver: request timed out", status.Convert(err).Message())
	code, body := ask(t, http.MethodGet, p.URL()+"/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, code, body)
	code, _ = ask(t, http.MethodGet, p.URL()+"/livez", "")
	require.Equal(t, http.StatusOK, code)
}
