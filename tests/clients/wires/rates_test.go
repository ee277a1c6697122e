package wires

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"

	"github.com/quoratedb/quorate/tests/harness"
)

// tooMany is what a request beyond the rate is refused with.
const tooMany = "etcdserver: too many requests"

// verdict is what became of a request: nil, or rpctypes.ErrTooManyRequests.
type verdict func() error

// until asks until the answer is the one that is wanted, and no other than the two that there are. What is left fills up all the time, and
// each request that is allowed uses some of it up: either answer comes.
func until(t *testing.T, name string, want error, ask verdict) {
	t.Helper()
	for ctx := harness.Context(t); ; {
		require.NoError(t, ctx.Err(), "%s: still not: %v", name, want)
		got := ask()
		if errors.Is(got, want) {
			return
		}
		require.True(t, got == nil || errors.Is(got, rpctypes.ErrTooManyRequests), "%s: %v", name, got)
	}
}

// ofHTTP turns an answer over HTTP into a verdict. A refusal has code 429 and etcd's words under one of the keys.
func ofHTTP(t *testing.T, request *http.Request) error {
	t.Helper()
	resp, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		return nil
	}
	answer := map[string]any{}
	require.NoError(t, json.Unmarshal(body, &answer), "%s", body)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode, "%s", body)
	require.Contains(t, []any{answer["message"], answer["cause"]}, any(tooMany))
	return rpctypes.ErrTooManyRequests
}

// limitedStore is a store on which alice may make one request a second of each class, and others as many as they like.
type limitedStore struct {
	t          *testing.T
	server     *harness.Server
	plain, bob *clientv3.Client // plain has no user
	aliceToken string
}

func newLimitedStore(t *testing.T, args ...string) *limitedStore {
	t.Helper()
	s := &limitedStore{t: t, server: harness.Run(t, append(args,
		"--bcrypt-cost=4", "--rate-limit-mode=enforcing", "--rate-limit=alice:reads=1,alice:writes=1,alice:watches=1,alice:lists=1")...)}
	s.plain = harness.Client(t, s.server)
	ctx, client := harness.Context(t), s.plain
	for _, name := range []string{"root", "alice", "bob"} {
		_, err := client.UserAdd(ctx, name, name)
		require.NoError(t, err)
		_, err = client.UserGrantRole(ctx, name, "root")
		require.NoError(t, err)
	}
	_, err := client.AuthEnable(ctx)
	require.NoError(t, err)
	for range 20 { // log-ins are not limited
		shown, err := pb.NewAuthClient(client.ActiveConnection()).Authenticate(ctx, &pb.AuthenticateRequest{Name: "alice", Password: "alice"})
		require.NoError(t, err)
		s.aliceToken = shown.GetToken()
	}
	s.bob = s.dial("bob")
	return s
}

func (s *limitedStore) dial(user string) *clientv3.Client {
	s.t.Helper()
	client, err := harness.DialAs(user, user, nil, s.server.Endpoint())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { client.Close() })
	return client
}

// post makes a JSON request of alice's.
func (s *limitedStore) post(path, body string) verdict {
	return func() error {
		s.t.Helper()
		request, err := http.NewRequestWithContext(harness.Context(s.t), http.MethodPost, s.server.URL()+path, strings.NewReader(body))
		require.NoError(s.t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", s.aliceToken)
		return ofHTTP(s.t, request)
	}
}

// v2 makes a request of alice's of the v2 API.
func (s *limitedStore) v2(method, target, form string) verdict {
	return func() error {
		s.t.Helper()
		request, err := http.NewRequestWithContext(harness.Context(s.t), method, s.server.URL()+"/v2/keys"+target, strings.NewReader(form))
		require.NoError(s.t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth("alice", "alice")
		return ofHTTP(s.t, request)
	}
}

// over reads how many requests of a class were beyond the rate.
func over(t *testing.T, s *harness.Server, class, mode string) int {
	t.Helper()
	found := regexp.MustCompile(`quorate_rate_limit_over_total\{class="` + class + `",mode="` + mode + `"\} (\d+)`).FindStringSubmatch(get(t, s.URL()+"/metrics"))
	require.Len(t, found, 2)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// Goal: a user who asks for too much is refused on every wire, in etcd's words and on record, until there is some left again; others, and what
// keeps leases and the store going, are not. Method: a user with a rate of one a second, whose every request of a class is asked for until it is
// refused, and then until it is allowed.
func TestRatesByUser(t *testing.T) {
	ours(t)
	audit := filepath.Join(t.TempDir(), "audit.log")
	s := newLimitedStore(t, "--audit-log="+audit)
	ctx := harness.Context(t)
	put, err := s.bob.Put(ctx, "/dir/k", "v")
	require.NoError(t, err)
	index := strconv.FormatInt(put.Header.Revision, 10)
	asAlice := metadata.AppendToOutgoingContext(ctx, "token", s.aliceToken)
	kv := pb.NewKVClient(s.plain.ActiveConnection())
	call := func(make func() error) verdict { return func() error { return rpctypes.Error(make()) } }
	for _, class := range []struct {
		name string
		asks map[string]verdict
	}{
		{"writes", map[string]verdict{
			"gRPC":    call(func() error { _, err := kv.Put(asAlice, &pb.PutRequest{Key: []byte("k")}); return err }),
			"Connect": s.post("/etcdserverpb.KV/Put", `{"key":"`+b64("k")+`"}`),
			"JSON":    s.post("/v3/kv/put", `{"key":"`+b64("k")+`"}`),
			"v2":      s.v2(http.MethodPut, "/dir/other", "value=v"),
		}},
		{"reads", map[string]verdict{
			"gRPC":    call(func() error { _, err := kv.Range(asAlice, &pb.RangeRequest{Key: []byte("k")}); return err }),
			"Connect": s.post("/etcdserverpb.KV/Range", `{"key":"`+b64("k")+`"}`),
			"JSON":    s.post("/v3/kv/range", `{"key":"`+b64("k")+`"}`),
			"v2":      s.v2(http.MethodGet, "/dir/k", ""),
		}},
		{"lists", map[string]verdict{
			"gRPC": call(func() error {
				stream, err := kv.RangeStream(asAlice, &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l")})
				require.NoError(t, err)
				for err == nil {
					_, err = stream.Recv()
				}
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}),
			"Connect": s.post("/etcdserverpb.KV/Txn", `{"success":[{"requestRange":{"key":"`+b64("k")+`","rangeEnd":"`+b64("l")+`"}}]}`),
			"JSON":    s.post("/v3/kv/range", `{"key":"`+b64("k")+`","range_end":"`+b64("l")+`"}`),
			"v2":      s.v2(http.MethodGet, "/?recursive=true", ""),
		}},
		{"watches", map[string]verdict{
			"v2": s.v2(http.MethodGet, "/dir/k?wait=true&waitIndex="+index, ""),
		}},
	} {
		for wire, ask := range class.asks {
			until(t, class.name+" over "+wire, rpctypes.ErrTooManyRequests, ask)
			until(t, class.name+" over "+wire, nil, ask)
		}
		require.GreaterOrEqual(t, over(t, s.server, class.name, "enforcing"), len(class.asks))
		for range 20 {
			_, err := s.bob.Put(ctx, "k", "others are not limited")
			require.NoError(t, err)
			_, err = s.bob.Get(ctx, "", clientv3.WithPrefix())
			require.NoError(t, err)
		}
	}
	s.neverLimited(asAlice, kv)

	text, err := os.ReadFile(audit)
	require.NoError(t, err)
	for _, want := range []string{
		`"user":"alice".*"method":"etcdserverpb.KV/Put".*"decision":"refused","code":"ResourceExhausted"`,
		`"user":"alice".*"method":"v2/GET".*"decision":"refused","code":"429"`,
	} {
		require.Regexp(t, want, string(text))
	}
	require.NotRegexp(t, `"user":"bob".*"decision":"refused"`, string(text))
}

// neverLimited makes requests of alice's that must get through although she has nothing left.
func (s *limitedStore) neverLimited(asAlice context.Context, kv pb.KVClient) {
	s.t.Helper()
	ctx := harness.Context(s.t)
	lease, err := s.bob.Grant(ctx, 600)
	require.NoError(s.t, err)
	writing := func() error { _, err := kv.Put(asAlice, &pb.PutRequest{Key: []byte("k")}); return rpctypes.Error(err) }
	until(s.t, "a write", rpctypes.ErrTooManyRequests, writing)
	leases := pb.NewLeaseClient(s.plain.ActiveConnection())
	alive, err := leases.LeaseKeepAlive(asAlice)
	require.NoError(s.t, err)
	for range 50 {
		require.NoError(s.t, alive.Send(&pb.LeaseKeepAliveRequest{ID: int64(lease.ID)}))
		answer, err := alive.Recv()
		require.NoError(s.t, err)
		require.Equal(s.t, int64(600), answer.GetTTL())
	}
	until(s.t, "a write", rpctypes.ErrTooManyRequests, writing)
	_, err = leases.LeaseRevoke(asAlice, &pb.LeaseRevokeRequest{ID: int64(lease.ID)})
	require.NoError(s.t, err)
	now, err := s.bob.Get(ctx, "k")
	require.NoError(s.t, err)
	_, err = kv.Compact(asAlice, &pb.CompactionRequest{Revision: now.Header.Revision})
	require.NoError(s.t, err)
	for range 20 {
		_, err = pb.NewMaintenanceClient(s.plain.ActiveConnection()).Status(asAlice, &pb.StatusRequest{})
		require.NoError(s.t, err)
	}
}

// Goal: a watch too many is refused with the error that etcd's Go client knows, and the others of its stream go on. Method: etcd's client creates
// watches on one stream until one is refused; then the first is told of a change.
func TestOneWatchTooManyEndsNoOther(t *testing.T) {
	ours(t)
	audit := filepath.Join(t.TempDir(), "audit.log")
	s := newLimitedStore(t, "--audit-log="+audit)
	ctx := harness.Context(t)
	alice := s.dial("alice")
	first := alice.Watch(ctx, "k", clientv3.WithCreatedNotify())
	created := <-first
	require.True(t, created.Created)
	until(t, "a watch", rpctypes.ErrTooManyRequests, func() error {
		answer := <-alice.Watch(ctx, "other", clientv3.WithCreatedNotify())
		require.True(t, answer.Created || answer.Canceled)
		return answer.Err()
	})
	_, err := s.bob.Put(ctx, "k", "v")
	require.NoError(t, err)
	told := <-first
	require.NoError(t, told.Err())
	require.Len(t, told.Events, 1)
	text, err := os.ReadFile(audit)
	require.NoError(t, err)
	require.Regexp(t, `"user":"alice".*"method":"etcdserverpb.Watch/Watch".*"decision":"refused","code":"ResourceExhausted"`, string(text))
}

// Goal: before anything is refused, people can see what would be. Method: a server in the permissive mode, with a rate for everybody, is
// asked until it has counted something; nothing is refused.
func TestRatesThatOnlyCount(t *testing.T) {
	ours(t)
	s := harness.Run(t, "--rate-limit-mode=permissive", "--rate-limit=writes=1")
	client, ctx := harness.Client(t, s), harness.Context(t)
	for over(t, s, "writes", "permissive") == 0 {
		_, err := client.Put(ctx, "k", "v")
		require.NoError(t, err)
	}
	require.Zero(t, over(t, s, "lists", "permissive"))
}
