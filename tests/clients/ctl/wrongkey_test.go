package ctl

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
)

// Goal: a key that is not the certificate's, and one that cannot be read, are refused before anything is sent, as by etcdctl: with its exit code, and a reason.
// Method: the same command lines for both tools, for a server that is not there.
func TestWrongKeysAreRefused(t *testing.T) {
	t.Parallel()
	theirs, ours := tools(t)
	authority, err := certs.New(t.TempDir())
	require.NoError(t, err)
	one, err := authority.Issue("one", "127.0.0.1")
	require.NoError(t, err)
	other, err := authority.Issue("other", "127.0.0.1")
	require.NoError(t, err)
	for name, c := range map[string]struct{ key, says string }{
		"another's key": {other.Key, "private key does not match public key"},
		"no key":        {one.Cert, "private key"},
		"no file":       {"/none", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range [][]string{{"get", "a"}, {"snapshot", "save", "/none/file"}} {
				args := append([]string{"--endpoints=https://127.0.0.1:1", "--cacert=" + authority.CA(), "--cert=" + one.Cert, "--key=" + c.key}, command...)
				want, got := theirs.run(t, step{args: args}), ours.run(t, step{args: args})
				require.NotZero(t, want.code)
				require.Equal(t, want.code, got.code, got.stderr)
				require.Contains(t, got.stderr, c.says)
				require.Contains(t, got.stderr, "Error: ")
				require.Empty(t, got.stdout)
			}
		})
	}
}
