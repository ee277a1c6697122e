package grpcproxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: what does not fit together is refused, in etcd's words where it has any, and what has no effect is said. Method: a table of command lines.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		args  []string
		fails string
	}{
		{nil, ""},
		{[]string{"--resolver-prefix=p"}, "invalid resolver-ttl 0"},
		{[]string{"--resolver-ttl=5"}, `invalid resolver-prefix ""`},
		{[]string{"--resolver-prefix=p", "--resolver-ttl=5", "--advertise-client-url="}, `invalid advertise-client-url ""`},
		{[]string{"--cert=x"}, "both are needed"},
		{[]string{"--tls-min-version=TLS9"}, "tls-min-version"},
		{[]string{"--max-send-bytes=0"}, "--max-send-bytes"},
		{[]string{"--cert-file=x"}, "key-file"},
		{[]string{"more"}, `"more"`},
		{[]string{"--nosuch"}, "nosuch"},
	} {
		_, _, err := Parse(c.args)
		if c.fails == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.fails, c.args)
	}
	_, _, err := Parse([]string{"--help"})
	require.ErrorIs(t, err, flag.ErrHelp)
	o, warnings, err := Parse([]string{"--experimental-leasing-prefix=p", "--advertise-client-url=proxy:1", "--auto-tls", "--listen-addr=localhost:7"})
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Equal(t, []string{"https://localhost:7"}, o.Serving.ListenClientURLs)
	require.Equal(t, []string{"proxy:1"}, o.known(slog.Default()).urls())
	o, _, err = Parse(nil)
	require.NoError(t, err)
	require.Empty(t, o.known(slog.Default()).urls(), "the members' own, unless it is said otherwise")
}

// Goal: a certificate that members could take for a user's is not shown to them. Method: ones with a common name, with a SPIFFE id and with a name
// of a host alone, also where a file is replaced later.
func TestCertificatesOfUsersAreRefused(t *testing.T) {
	dir := t.TempDir()
	o := Default()
	o.CertFile, o.KeyFile = filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	issue(t, o, "root", "")
	_, err := o.secrets(slog.Default())
	require.ErrorContains(t, err, "cert has non empty Common Name (root)")
	issue(t, o, "", "https://proxy.example.org")
	client, err := o.secrets(slog.Default())
	require.NoError(t, err)
	_, err = client().GetClientCertificate(nil)
	require.NoError(t, err)
	issue(t, o, "anne", "")
	_, err = client().GetClientCertificate(nil)
	require.ErrorContains(t, err, "anne")
	issue(t, o, "", "spiffe://example.org/proxy")
	_, err = client().GetClientCertificate(nil)
	require.ErrorContains(t, err, "cert has a SPIFFE id (spiffe://example.org/proxy)")
}

func issue(t *testing.T, o Options, name, uri string) {
	t.Helper()
	id, err := url.Parse(uri)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), URIs: []*url.URL{id}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(o.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(o.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
}

// Goal: a file of endpoints is read as people write them. Method: comments, commas, blank lines; and one that says nothing.
func TestEndpointsFile(t *testing.T) {
	o := Default()
	o.EndpointsFile = filepath.Join(t.TempDir(), "endpoints")
	require.NoError(t, os.WriteFile(o.EndpointsFile, []byte("# ours\nm1:2379, m2:2379\n\n\thttps://m3:2379 # far\n"), 0o600))
	found, err := o.read()
	require.NoError(t, err)
	require.Equal(t, []string{"m1:2379", "m2:2379", "https://m3:2379"}, found)
	require.NoError(t, os.WriteFile(o.EndpointsFile, []byte("# none\n"), 0o600))
	_, err = o.read()
	require.ErrorContains(t, err, "no endpoint")
}
