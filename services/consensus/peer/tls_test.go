package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// certificates makes one for each of n members, all of one authority.
func certificates(t *testing.T, n int) []tlsconfig.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	require.NoError(t, err)
	caFile, keyFile := write("ca.pem", "CERTIFICATE", caDER), write("key.pem", "PRIVATE KEY", keyDER)
	servers := make([]tlsconfig.Server, n)
	for i := range servers {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 2)), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
		require.NoError(t, err)
		servers[i] = tlsconfig.Server{
			CertFile: write("cert"+identity.Format(uint64(i))+".pem", "CERTIFICATE", der), KeyFile: keyFile, ClientCertAuth: true, TrustedCAFile: caFile,
		}
	}
	return servers
}

func secureNode(t *testing.T, id uint64, server tlsconfig.Server, o nodeOptions) *node {
	t.Helper()
	serving, err := server.Config(tlsconfig.Policy{})
	require.NoError(t, err)
	dialing, err := server.Client(tlsconfig.Policy{})
	require.NoError(t, err)
	change := o.config
	o.server = serving
	o.config = func(c *Config) {
		c.TLS = dialing
		if change != nil {
			change(c)
		}
	}
	return startNode(t, id, o)
}

// Goal: messages, snapshots and member lists go over TLS with certificates on both sides. Method: two members that ask
// for each other's certificate.
func TestMutualTLS(t *testing.T) {
	servers := certificates(t, 2)
	source := newFakeSource(vfs.NewMem(), snapshotPieceBytes+1)
	a := secureNode(t, 0xa, servers[0], nodeOptions{source: source, config: func(c *Config) { c.FS = source.fs }})
	arrived := make(chan map[string][]byte, 1)
	fs := vfs.NewMem()
	b := secureNode(t, 0xb, servers[1], nodeOptions{
		config: func(c *Config) { c.FS = fs },
		receiver: func(f *fakeReceiver) {
			f.install = func(_ context.Context, s ReceivedSnapshot) error {
				arrived <- readDir(t, fs, s.Dir)
				return nil
			}
		},
	})
	introduce(a, b)
	sendUntilReceived(t, a, b, heartbeat(a, b, 1))
	sendUntilReceived(t, b, a, heartbeat(b, a, 2))
	a.Send([]*raftpb.Message{msgSnap(a, b, 7)})
	requireSameFiles(t, source.files, await(t, arrived))
	require.Equal(t, snapshotReport{0xb, true}, await(t, a.receiver.snapshots))

	cluster, members, err := FetchMembers(t.Context(), []string{a.url()}, nil, b.cfg.TLS)
	require.NoError(t, err)
	require.Equal(t, uint64(testCluster), cluster)
	require.Len(t, members, 2)
}

// Goal: who cannot prove who it is gets nothing, and the operator is told. Method: a member without a certificate, one
// whose authority the others do not trust, and one that speaks plain HTTP to a URL with TLS.
func TestTLSKeepsStrangersOut(t *testing.T) {
	servers := certificates(t, 1)
	a := secureNode(t, 0xa, servers[0], nodeOptions{})
	members := []*consensusv1.Member{{Id: 0xa, PeerUrls: []string{a.url()}}}
	for name, config := range map[string]tlsconfig.Server{
		"no certificate":  {TrustedCAFile: servers[0].TrustedCAFile},
		"other authority": certificates(t, 1)[0],
	} {
		t.Run(name, func(t *testing.T) {
			dialing, err := config.Client(tlsconfig.Policy{})
			require.NoError(t, err)
			b := startNode(t, 0xb, nodeOptions{config: func(c *Config) { c.TLS = dialing }})
			b.SetPeers(members)
			b.Send([]*raftpb.Message{heartbeat(b, a, 1)})
			require.Equal(t, uint64(0xa), await(t, b.receiver.unreachable))
			awaitTrue(t, func() bool { return strings.Contains(a.logged.String(), "TLS handshake error") })
			_, _, err = FetchMembers(t.Context(), []string{a.url()}, nil, dialing)
			require.Error(t, err)
		})
	}
	c := startNode(t, 0xc, nodeOptions{})
	c.SetPeers([]*consensusv1.Member{{Id: 0xa, PeerUrls: []string{"http://" + a.address}}})
	require.Equal(t, uint64(0xa), await(t, c.receiver.unreachable))
	require.Contains(t, c.logged.String(), "HTTP request to an HTTPS server")
	require.Empty(t, a.receiver.messages)
}

// Goal: members of two authorities meet once each has the other's in its bundle, and nobody is restarted: that is how a
// cluster goes from one to the next. Method: two members that cannot talk, until both bundles grow on disk.
func TestMembersMeetWhenBundlesGrow(t *testing.T) {
	one, two := certificates(t, 1)[0], certificates(t, 1)[0]
	a, b := secureNode(t, 0xa, one, nodeOptions{}), secureNode(t, 0xb, two, nodeOptions{})
	introduce(a, b)
	a.Send([]*raftpb.Message{heartbeat(a, b, 1)})
	require.Equal(t, uint64(0xb), await(t, a.receiver.unreachable))
	grown := func(file, by string) []byte {
		own, err := os.ReadFile(file)
		require.NoError(t, err)
		other, err := os.ReadFile(by)
		require.NoError(t, err)
		return append(own, other...)
	}
	first, second := grown(one.TrustedCAFile, two.TrustedCAFile), grown(two.TrustedCAFile, one.TrustedCAFile)
	require.NoError(t, os.WriteFile(one.TrustedCAFile, first, 0o600))
	require.NoError(t, os.WriteFile(two.TrustedCAFile, second, 0o600))
	sendUntilReceived(t, a, b, heartbeat(a, b, 2))
	sendUntilReceived(t, b, a, heartbeat(b, a, 3))
}
