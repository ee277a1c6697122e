package cluster

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/harness"
)

// peerCertificates are what members may be told to show each other.
type peerCertificates struct {
	ca                       string
	member, caller, stranger certs.Files
}

func issue(t *testing.T) peerCertificates {
	t.Helper()
	authority, err := certs.New(filepath.Join(t.TempDir(), "certs"))
	require.NoError(t, err)
	made := peerCertificates{ca: authority.CA()}
	for name, files := range map[string]*certs.Files{"member": &made.member, "caller": &made.caller, "stranger": &made.stranger} {
		*files, err = authority.Issue(name, "127.0.0.1")
		require.NoError(t, err)
	}
	return made
}

// given are the flags of a member that shows one certificate, and asks others for one of the same authority.
func (c peerCertificates) given(shown certs.Files, more ...string) []string {
	return append([]string{
		"--peer-cert-file=" + shown.Cert, "--peer-key-file=" + shown.Key, "--peer-trusted-ca-file=" + c.ca, "--peer-client-cert-auth",
	}, more...)
}

// calling are the flags of a member that shows a certificate when it calls others.
func calling(files certs.Files) []string {
	return []string{"--peer-client-cert-file=" + files.Cert, "--peer-client-key-file=" + files.Key}
}

// Goal: members with TLS meet, each sees what any of them writes, and one that is restarted finds the others again, whichever
// way they were given certificates (members with peer TLS once never met, and no test had several of them). A rule of names is
// for both ends of a connection, as with etcd.
func TestMembersWithTLSMeet(t *testing.T) {
	c := issue(t)
	for name, args := range map[string][]string{
		"given":                c.given(c.member),
		"automatic":            {"--peer-auto-tls"},
		"same when calling":    c.given(c.member, append(calling(c.member), "--peer-cert-allowed-cn=member")...),
		"another when calling": c.given(c.member, append(calling(c.caller), "--peer-cert-allowed-cn=member,caller")...),
		"rule of host names":   c.given(c.member, "--peer-cert-allowed-hostname=127.0.0.1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := harness.Binary()
			require.NoError(t, err)
			members := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir(), Args: args, PeerTLS: true}, 3)
			watchOver(t, members)
			require.NoError(t, members.Start(t.Context()))
			seenByAll(t, members, "first")
			code, err := members[2].Stop(syscall.SIGTERM)
			require.NoError(t, err)
			require.Zero(t, code)
			require.NoError(t, members[2].Start(t.Context()))
			seenByAll(t, members, "after a restart")
		})
	}
}

// Goal: a member whose certificate the rules do not let in is told of by the others with the rule that it broke, and they
// serve without it. Method: give one of three another name than the rule's.
func TestRefusedCertificateIsNamed(t *testing.T) {
	c := issue(t)
	binary, err := harness.Binary()
	require.NoError(t, err)
	members := harness.NewCluster(harness.Config{
		Binary: binary, DataDir: t.TempDir(), Args: c.given(c.member, "--peer-cert-allowed-cn=member"), PeerTLS: true,
	}, 3)
	watchOver(t, members)
	members[2].SetArgs(c.given(c.stranger, "--peer-cert-allowed-cn=member")...)
	require.NoError(t, members[2].Launch())
	require.NoError(t, members[:2].Start(t.Context()))
	seenByAll(t, members[:2], "without the third")
	for _, member := range members[:2] {
		require.NoError(t, member.AwaitOutput(harness.Context(t), `common name \"stranger\" of the certificate is not allowed`))
	}
}

// seenByAll writes by way of each member, and reads what it wrote from all.
func seenByAll(t *testing.T, members harness.Cluster, value string) {
	t.Helper()
	for _, writer := range members {
		_, err := harness.Put(harness.Context(t), harness.Client(t, writer), "key", value+writer.Endpoint())
		require.NoError(t, err)
		for _, reader := range members {
			answer, err := harness.Client(t, reader).Get(harness.Context(t), "key")
			require.NoError(t, err)
			require.Equal(t, value+writer.Endpoint(), string(answer.Kvs[0].Value))
		}
	}
}

func watchOver(t *testing.T, members harness.Cluster) {
	t.Cleanup(func() {
		for _, member := range members {
			member.Kill()
			if t.Failed() {
				t.Logf("a member's output:\n%s", member.Output())
			}
		}
	})
}
