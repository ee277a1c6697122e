package rights

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"

	"github.com/quoratedb/quorate/tests/harness"
)

// issuer is a small OpenID Connect issuer, which may be away.
type issuer struct {
	*httptest.Server
	t    *testing.T
	key  ed25519.PrivateKey
	away atomic.Bool
}

// newIssuer makes one that is away.
func newIssuer(t *testing.T) *issuer {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	i := &issuer{t: t, key: private}
	i.away.Store(true)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case i.away.Load():
			http.Error(w, "away", http.StatusServiceUnavailable)
		case r.URL.Path == "/keys":
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{
				"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "one", "x": base64.RawURLEncoding.EncodeToString(public),
			}}})
		default:
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
		}
	}))
	t.Cleanup(i.Close)
	return i
}

// by is the context of a call with a token for somebody with roles, which ends at ends and was made for audience with a key.
func (i *issuer) by(name, audience, key string, ends time.Time, roles ...string) context.Context {
	i.t.Helper()
	part := func(said any) string {
		text, err := json.Marshal(said)
		require.NoError(i.t, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	token := part(map[string]string{"alg": "EdDSA", "kid": key}) + "." +
		part(map[string]any{"iss": i.URL, "aud": audience, "sub": name, "exp": ends.Unix(), "roles": roles})
	token += "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(i.key, []byte(token)))
	return metadata.AppendToOutgoingContext(harness.Context(i.t), "authorization", "Bearer "+token)
}

// Goal: a token of an OIDC issuer lets its owner do what the roles in it may and nothing else, its watches end with it, and an issuer that
// is away keeps nobody out but those whose keys are not known yet. Method: a server that starts while its issuer is away and users log in
// by password; then the issuer is there, tokens of several roles and a watch are tried, and it goes away again.
func TestTokensOfAnIssuer(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd has no issuer")
	}
	outside := newIssuer(t)
	l := lock(t, harness.Run(t, "--auth-oidc-issuer="+outside.URL, "--auth-oidc-audience=quorate", "--auth-oidc-groups-claim=roles", "--bcrypt-cost=4"))
	kv, later := pb.NewKVClient(l.conn), time.Now().Add(time.Hour)
	may := func(ctx context.Context, wanted error, calls ...any) {
		t.Helper()
		for _, call := range calls {
			var err error
			switch r := call.(type) {
			case *pb.PutRequest:
				_, err = kv.Put(ctx, r)
			case *pb.RangeRequest:
				_, err = kv.Range(ctx, r)
			case *pb.AuthUserListRequest:
				_, err = pb.NewAuthClient(l.conn).UserList(ctx, r)
			}
			if wanted == nil {
				require.NoError(t, err, "%v", call)
			} else {
				require.EqualError(t, err, wanted.Error(), "%v", call)
			}
		}
	}
	put, get := &pb.PutRequest{Key: []byte("m/k")}, &pb.RangeRequest{Key: []byte("m/"), RangeEnd: []byte("m0")}
	others, all, users := &pb.PutRequest{Key: []byte("n/x")}, &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}}, &pb.AuthUserListRequest{}

	may(outside.by("ann", "quorate", "one", later, "prefix"), rpctypes.ErrGRPCInvalidAuthToken, put)
	require.Eventually(t, func() bool { return strings.Contains(l.server.Output(), "the OIDC issuer does not tell its keys") }, 10*time.Second, 10*time.Millisecond)
	may(l.by(t, "prefix"), nil, put, get)

	outside.away.Store(false)
	ann := outside.by("ann", "quorate", "one", later, "prefix")
	require.Eventually(t, func() bool { _, err := kv.Put(ann, put); return err == nil }, 30*time.Second, 100*time.Millisecond)
	may(ann, nil, get)
	may(ann, rpctypes.ErrGRPCPermissionDenied, others, all, users)
	may(outside.by("bob", "quorate", "one", later, "reader", "other"), nil, get, others)
	may(outside.by("bob", "quorate", "one", later, "reader", "other"), rpctypes.ErrGRPCPermissionDenied, put, all, users)
	may(outside.by("root", "quorate", "one", later, "root", "unheard-of"), rpctypes.ErrGRPCPermissionDenied, put, get, users)
	may(outside.by("ann", "another", "one", later, "prefix"), rpctypes.ErrGRPCInvalidAuthToken, get)
	may(outside.by("ann", "quorate", "one", time.Now().Add(-time.Minute), "prefix"), rpctypes.ErrGRPCInvalidAuthToken, get)

	ends := time.Now().Add(8 * time.Second)
	stream, err := pb.NewWatchClient(l.conn).Watch(outside.by("ann", "quorate", "one", ends, "reader"))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: []byte("m/k"), WatchId: 1}}}))
	w := &watching{stream, t}
	created := w.next()
	require.True(t, created.GetCreated() && !created.GetCanceled(), "%v", created)
	w.sees(l, 1, "m/k")

	outside.away.Store(true)
	may(outside.by("eve", "quorate", "one", later, "reader"), nil, get) // a token that is new, and a key that is known
	may(outside.by("eve", "quorate", "two", later, "reader"), rpctypes.ErrGRPCInvalidAuthToken, get)
	may(ann, nil, put, get)

	for over := w.next(); ; over = w.next() { // the put above comes before it
		if len(over.GetEvents()) == 0 {
			require.True(t, over.GetCanceled(), "%v", over)
			require.Equal(t, rpctypes.ErrGRPCInvalidAuthToken.Error(), over.GetCancelReason())
			break
		}
	}
	require.False(t, time.Now().Before(ends.Truncate(time.Second)), "it ended before its token")
}
