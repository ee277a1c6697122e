package apart

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/harness"
)

// start brings a store of services that run apart up, with mutual TLS between them if wanted.
func start(t *testing.T, sizes harness.Sizes, tls bool) *harness.Apart {
	t.Helper()
	config := harness.ApartConfig{DataDir: t.TempDir(), Sizes: sizes, APIArgs: []string{"--watch-progress-notify-interval=1s"}}
	if tls {
		authority, err := certs.New(filepath.Join(config.DataDir, "certs"))
		require.NoError(t, err)
		files, err := authority.Issue("services", "127.0.0.1")
		require.NoError(t, err)
		config.Secrets = []string{"--internal-cert-file=" + files.Cert, "--internal-key-file=" + files.Key, "--internal-trusted-ca-file=" + authority.CA()}
	}
	return startWith(t, config)
}

// startWith brings the nodes up that config says, of the programs as they are now.
func startWith(t *testing.T, config harness.ApartConfig) *harness.Apart {
	t.Helper()
	s := placed(t, config)
	require.NoError(t, s.Start(context.Background()))
	return s
}

// placed is the nodes that config says, of the programs as they are now. They run for the length of a test, once they are started.
func placed(t *testing.T, config harness.ApartConfig) *harness.Apart {
	t.Helper()
	var err error
	config.Programs, err = harness.Make("build", "bin")
	require.NoError(t, err)
	s := harness.NewApart(config)
	t.Cleanup(func() {
		for _, one := range s.All() {
			one.Kill()
			if t.Failed() {
				t.Logf("%s:\n%s", strings.Join(one.Args(), " "), one.Output())
			}
		}
	})
	return s
}

// dial connects to some of the API nodes.
func dial(t *testing.T, endpoints ...string) *clientv3.Client {
	t.Helper()
	client, err := harness.Dial(endpoints...)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}
