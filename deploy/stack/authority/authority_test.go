package authority_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/deploy/stack/authority"
)

// at returns a clock that stands still.
func at(moment time.Time) func() time.Time { return func() time.Time { return moment } }

// read returns the files of a certificate's directory.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{authority.CAFile, authority.CertFile, authority.KeyFile} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		files[name] = string(content)
	}
	return files
}

// configs are the two ends of mutual TLS with the files of two directories.
func configs(t *testing.T, server, client, name string) (*tls.Config, *tls.Config) {
	t.Helper()
	load := func(dir string) (tls.Certificate, *x509.CertPool) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, authority.CertFile), filepath.Join(dir, authority.KeyFile))
		require.NoError(t, err)
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM([]byte(read(t, dir)[authority.CAFile])))
		return pair, pool
	}
	serverPair, serverPool := load(server)
	clientPair, clientPool := load(client)
	return &tls.Config{Certificates: []tls.Certificate{serverPair}, ClientCAs: serverPool, ClientAuth: tls.RequireAndVerifyClientCert},
		&tls.Config{Certificates: []tls.Certificate{clientPair}, RootCAs: clientPool, ServerName: name}
}

// Goal: two services with certificates of one authority accept each other, by each of their names, and by no other.
// Method: mutual handshakes.
func TestServicesKnowEachOther(t *testing.T) {
	dir := t.TempDir()
	a, err := authority.Open(filepath.Join(dir, "authority"), time.Now)
	require.NoError(t, err)
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for service, names := range map[string][]string{one: {"one.test", "alias.test", "127.0.0.1"}, two: {"two.test"}} {
		made, err := a.Ensure(service, names)
		require.NoError(t, err)
		require.True(t, made)
	}
	for name, want := range map[string]bool{"one.test": true, "alias.test": true, "127.0.0.1": true, "two.test": false} {
		serverConfig, clientConfig := configs(t, one, two, name)
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- tls.Server(near, serverConfig).Handshake() }()
		err := tls.Client(far, clientConfig).Handshake()
		far.Close()
		if want {
			require.NoError(t, err, name)
			require.NoError(t, <-served)
		} else {
			require.ErrorContains(t, err, name)
			require.Error(t, <-served)
		}
		near.Close()
	}
	info, err := os.Stat(filepath.Join(one, authority.KeyFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// Goal: a start changes nothing that is good, and makes anew what is not, for each reason there is.
// Method: Ensure twice, with something changed in between.
func TestEnsureKeepsWhatIsGood(t *testing.T) {
	begin := time.Now()
	names := []string{"one.test"}
	tests := map[string]struct {
		after  time.Duration
		names  []string
		damage func(t *testing.T, dir string)
		made   bool
	}{
		"nothing changed":          {},
		"a name less":              {names: []string{"one.test"}},
		"a name more":              {names: []string{"one.test", "more.test"}, made: true},
		"has a third of its time":  {after: authority.Validity - authority.RenewBefore - time.Hour},
		"has less":                 {after: authority.Validity - authority.RenewBefore + time.Hour, made: true},
		"no key":                   {damage: remove(authority.KeyFile), made: true},
		"no authority beside it":   {damage: remove(authority.CAFile), made: true},
		"certificate is no PEM":    {damage: overwrite(authority.CertFile), made: true},
		"key is no PEM":            {damage: overwrite(authority.KeyFile), made: true},
		"another authority's pair": {damage: foreign, made: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir, own := t.TempDir(), filepath.Join(t.TempDir(), "authority")
			a, err := authority.Open(own, at(begin))
			require.NoError(t, err)
			made, err := a.Ensure(dir, names)
			require.NoError(t, err)
			require.True(t, made)
			before := read(t, dir)
			if test.damage != nil {
				test.damage(t, dir)
			}
			if test.names == nil {
				test.names = names
			}
			a, err = authority.Open(own, at(begin.Add(test.after)))
			require.NoError(t, err)
			made, err = a.Ensure(dir, test.names)
			require.NoError(t, err)
			require.Equal(t, test.made, made)
			after := read(t, dir)
			require.Equal(t, before[authority.CAFile], after[authority.CAFile])
			require.Equal(t, test.made, before[authority.CertFile] != after[authority.CertFile])
			made, err = a.Ensure(dir, test.names)
			require.NoError(t, err)
			require.False(t, made, "what was just made is good")
		})
	}
}

func remove(file string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, file))) }
}

func overwrite(file string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("damaged"), 0o600))
	}
}

// foreign puts another authority's pair in the place of this one's.
func foreign(t *testing.T, dir string) {
	other, err := authority.Open(t.TempDir(), time.Now)
	require.NoError(t, err)
	made := t.TempDir()
	_, err = other.Ensure(made, []string{"one.test"})
	require.NoError(t, err)
	for _, file := range []string{authority.CertFile, authority.KeyFile} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(read(t, made)[file]), 0o600))
	}
}

// Goal: an authority that services hold certificates of is never replaced by itself. Method: one mistake each.
func TestAuthorityIsNotReplaced(t *testing.T) {
	tests := map[string]struct {
		damage func(*testing.T, string)
		now    time.Time
		want   string
	}{
		"damaged":    {damage: overwrite(authority.CAFile), now: time.Now(), want: "start anew"},
		"key lost":   {damage: remove("ca.key"), now: time.Now(), want: "ca.key"},
		"over":       {now: time.Now().AddDate(11, 0, 0), want: "it was valid until"},
		"no new one": {damage: overwrite("ca.key"), now: time.Now(), want: "start anew"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := authority.Open(dir, time.Now)
			require.NoError(t, err)
			if test.damage != nil {
				test.damage(t, dir)
			}
			_, err = authority.Open(dir, at(test.now))
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, dir)
		})
	}
}

// Goal: a first start that was cut short does not stop the next. Method: a key without its certificate.
func TestAuthorityIsMadeAgainAfterAFirstStartCutShort(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.key"), nil, 0o600))
	a, err := authority.Open(dir, time.Now)
	require.NoError(t, err)
	_, err = a.Ensure(filepath.Join(dir, "one"), []string{"one.test"})
	require.NoError(t, err)
}
