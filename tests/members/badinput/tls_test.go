package badinput

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: what TLS is made of and cannot be used is refused before there is a data directory, by flag, file and what to do.
// Method: one mistake at a time, in what clients or members are shown or asked; etcd is given the same, and starts or does
// not as the table says: it finds some mistakes at the first handshake, or never.
func TestTLSThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority, err := certs.New(filepath.Join(dir, "authority"))
	require.NoError(t, err)
	shown, err := authority.Issue("server", "127.0.0.1")
	require.NoError(t, err)
	other, err := authority.Issue("other", "127.0.0.1")
	require.NoError(t, err)
	absent, nonsense := filepath.Join(dir, "absent"), filepath.Join(dir, "nonsense")
	require.NoError(t, os.WriteFile(nonsense, []byte("nonsense"), 0o600))
	ca, cert, key := "--trusted-ca-file="+authority.CA(), "--cert-file="+shown.Cert, "--key-file="+shown.Key
	for name, c := range map[string]struct {
		args       []string
		text       []string
		etcdStarts bool
	}{
		"no key":                 {[]string{cert}, []string{"--cert-file=" + shown.Cert, "certificate and key are needed, both", "--key-file"}, false},
		"no such key":            {[]string{cert, "--key-file=" + absent}, []string{"--key-file=" + absent, "cannot be read: no such file"}, false},
		"key is none":            {[]string{cert, "--key-file=" + nonsense}, []string{"--key-file=" + nonsense, "is not the key of --cert-file=" + shown.Cert}, false},
		"key of another":         {[]string{cert, "--key-file=" + other.Key}, []string{"--key-file=" + other.Key, "does not match"}, false},
		"certificate is none":    {[]string{"--cert-file=" + nonsense, key}, []string{"--cert-file=" + nonsense, "holds no PEM certificate"}, false},
		"no such authorities":    {[]string{cert, key, "--trusted-ca-file=" + absent}, []string{"--trusted-ca-file=" + absent, "no such file"}, false},
		"authorities are none":   {[]string{cert, key, "--trusted-ca-file=" + nonsense}, []string{"--trusted-ca-file=" + nonsense, "holds no PEM certificate"}, true},
		"nobody vouches":         {[]string{cert, key, "--client-cert-auth"}, []string{"--client-cert-auth=true", "give --trusted-ca-file too"}, true},
		"no such list":           {[]string{cert, key, ca, "--client-crl-file=" + absent}, []string{"--client-crl-file=" + absent, "no such file"}, true},
		"list is none":           {[]string{cert, key, ca, "--client-crl-file=" + nonsense}, []string{"--client-crl-file=" + nonsense, "is no revocation list"}, true},
		"list without authority": {[]string{cert, key, "--client-crl-file=" + nonsense}, []string{"--client-crl-file=" + nonsense, "give --trusted-ca-file too"}, true},
		"versions turned around": {[]string{cert, key, "--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"}, []string{"--tls-min-version=TLS1.3", "is above the highest, TLS1.2"}, false},
		"unknown version":        {[]string{cert, key, "--tls-min-version=TLS1.1"}, []string{"--tls-min-version=TLS1.1", "TLS1.2 or TLS1.3"}, false},
		"unknown suite":          {[]string{cert, key, "--cipher-suites=ROT13"}, []string{"--cipher-suites=ROT13", `"ROT13"`}, false},
		"suites of TLS1.3":       {[]string{cert, key, "--tls-min-version=TLS1.3", "--cipher-suites=TLS_AES_128_GCM_SHA256"}, []string{"cannot be chosen"}, false},
		"names and hosts of peers": {
			[]string{cert, key, "--peer-cert-file=" + shown.Cert, "--peer-key-file=" + shown.Key, "--peer-trusted-ca-file=" + authority.CA(), "--peer-cert-allowed-cn=a", "--peer-cert-allowed-hostname=b"},
			[]string{"--peer-cert-allowed-cn=a", "cannot be given together with --peer-cert-allowed-hostname=b"},
			false,
		},
		"key of peers is none": {[]string{cert, key, "--peer-cert-file=" + shown.Cert, "--peer-key-file=" + nonsense}, []string{"--peer-key-file=" + nonsense}, false},
	} {
		t.Run(name, func(t *testing.T) {
			url := fmt.Sprintf("https://127.0.0.1:%d", harness.FreePort())
			args := append([]string{"--listen-client-urls=" + url, "--advertise-client-urls=" + url}, c.args...)
			data := filepath.Join(t.TempDir(), "data")
			s := newServer(t, data, args...)
			code, output := refuses(t, s)
			require.Equal(t, 1, code, output)
			for _, text := range c.text {
				require.Contains(t, strings.ReplaceAll(output, `\"`, `"`), text)
			}
			require.NoDirExists(t, data)
			require.Equal(t, c.etcdStarts, etcdStarts(t, s, args))
		})
	}
}

// etcdStarts gives etcd the command line of a server of ours. It says that it is ready before it looks at what clients are
// shown, and ends then.
func etcdStarts(t *testing.T, s *harness.Server, args []string) bool {
	t.Helper()
	binary, err := harness.Peer("etcd")
	require.NoError(t, err)
	etcd := harness.New(harness.Config{Binary: binary, DataDir: s.DataDir(), Args: args, PeerTLS: strings.Contains(strings.Join(args, " "), "--peer-cert-file")})
	if err := etcd.Start(harness.Context(t)); err != nil {
		require.ErrorContains(t, err, "ended before it served")
		return false
	}
	_, err = etcd.Wait(3 * time.Second)
	return errors.Is(err, harness.ErrHung)
}
