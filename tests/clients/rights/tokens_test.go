package rights

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/tests/harness"
)

// signedTokens is the flag that has a server sign its tokens, with a fresh key.
func signedTokens(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	write := func(name, kind string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
		return path
	}
	return "--auth-token=jwt,sign-method=RS256,pub-key=" + write("public.pem", "PUBLIC KEY", public) +
		",priv-key=" + write("private.pem", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

// Goal: a token goes on to count when roles change that are none of its user's; etcd refuses it, which is shown too. Method: signed
// tokens, which say at which revision of users and roles they were made; another role gets one more permission.
func TestTokensSurviveEditsOfOtherRoles(t *testing.T) {
	l := lock(t, store(t, signedTokens(t)))
	mine := &pb.PutRequest{Key: []byte("m/k")}
	_, err := pb.NewKVClient(l.conn).Put(l.by(t, "prefix"), mine)
	require.NoError(t, err)
	more := permission(authpb.READ, "z", "")
	more.Name = "other"
	_, err = pb.NewAuthClient(l.conn).RoleGrantPermission(l.by(t, "root"), more)
	require.NoError(t, err)
	_, err = pb.NewKVClient(l.conn).Put(l.by(t, "prefix"), mine)
	if harness.IsPeer() {
		require.EqualError(t, err, rpctypes.ErrGRPCAuthOldRevision.Error())
		return
	}
	require.NoError(t, err)
}
