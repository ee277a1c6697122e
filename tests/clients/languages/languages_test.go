package languages

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// librariesEnv names the directory in which npm has put Node's client library; Python's are its own.
const librariesEnv = "QUORATE_CLIENT_LIBRARIES"

// locked starts a server with users: ann may do anything below /ann/, and where libraries keep locks and elections of hers. It also returns
// the server's address for TLS, without which gRPC's Python sends no token, and the file of the certificate that it shows there.
func locked(t *testing.T) (server *harness.Server, secure, certificate string) {
	t.Helper()
	secure = fmt.Sprintf("127.0.0.1:%d", harness.FreePort())
	plain := fmt.Sprintf("127.0.0.1:%d", harness.FreePort())
	urls := fmt.Sprintf("http://%s,https://%s", plain, secure)
	harness.Run(t, "--bcrypt-cost=4", "--auto-tls", "--listen-client-urls="+urls, "--advertise-client-urls="+urls)
	server = harness.At(plain)
	client, ctx := harness.Client(t, server), harness.Context(t)
	for _, user := range [][2]string{{"root", "secret"}, {"ann", "secret"}} {
		_, err := client.UserAdd(ctx, user[0], user[1])
		require.NoError(t, err)
		_, err = client.RoleAdd(ctx, user[0])
		require.NoError(t, err)
		_, err = client.UserGrantRole(ctx, user[0], user[0])
		require.NoError(t, err)
	}
	for _, prefix := range []string{"/ann/", "/locks/ann", "election/ann/"} {
		_, err := client.RoleGrantPermission(ctx, "ann", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite))
		require.NoError(t, err)
	}
	_, err := client.AuthEnable(ctx)
	require.NoError(t, err)
	return server, secure, shown(t, secure)
}

// shown saves the certificate that a server shows.
func shown(t *testing.T, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // it is what is asked for
	require.NoError(t, err)
	certificate := conn.ConnectionState().PeerCertificates[0].Raw
	require.NoError(t, conn.Close())
	file := filepath.Join(t.TempDir(), "certificate.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600))
	return file
}

// Goal: the client libraries of other languages log in with user and password, do what that user may and are told of what it may not.
// Method: a script in the language, one for each library, says what it has seen. Its errors are looked at there.
func TestClientsLogIn(t *testing.T) {
	libraries := os.Getenv(librariesEnv)
	if libraries == "" {
		t.Skipf("%s does not say where the clients' libraries are: make clients installs them", librariesEnv)
	}
	server, secure, certificate := locked(t)
	for name, c := range map[string]struct {
		command []string
		// timed is what the library has for time: leases, or keys with a time to live.
		timed []string
	}{
		"python-etcd3": {[]string{"/usr/bin/python3", "python3.py", secure, certificate}, []string{"leases", "locks"}},
		"python-etcd":  {[]string{"/usr/bin/python3", "python2.py", server.Endpoint()}, []string{"times to live"}},
		"etcd3":        {[]string{"node", "node3.js", server.Endpoint()}, []string{"leases", "locks"}},
	} {
		t.Run(name, func(t *testing.T) {
			script, err := filepath.Abs(filepath.Join("testdata", c.command[1]))
			require.NoError(t, err)
			cmd := exec.CommandContext(harness.Context(t), c.command[0], append([]string{script}, c.command[2:]...)...)
			cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(libraries, "node_modules"))
			var stderr strings.Builder
			cmd.Stderr = &stderr
			said, err := cmd.Output()
			require.NoError(t, err, "%s\n%s", said, stderr.String())
			want := append([]string{"a wrong password is refused", "nobody is refused", "writes, reads and watches what it may"}, c.timed...)
			require.Equal(t, append(want, "what it may not is refused"), strings.Split(strings.TrimSpace(string(said)), "\n"))
		})
	}
}
