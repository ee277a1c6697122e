package config

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a socket that a killed process left behind blocks no start, and nothing else is removed. Method: a socket without a
// listener, one with one, and a file.
func TestDeadSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) (string, []string) {
		path := filepath.Join(dir, name)
		return path, []string{(&url.URL{Scheme: "unix", Path: path}).String()}
	}
	path, urls := at("dead")
	left, err := net.Listen("unix", path)
	require.NoError(t, err)
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, left.Close())
	opened, err := Listen("listen-peer-urls", urls)
	require.NoError(t, err)
	_, err = Listen("listen-peer-urls", urls)
	require.ErrorContains(t, err, "another program listens there")
	conn, err := net.Dial("unix", path)
	require.NoError(t, err, "the first still listens")
	require.NoError(t, conn.Close())
	CloseAll(opened)

	path, urls = at("file")
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	_, err = Listen("listen-peer-urls", urls)
	require.Error(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))
}
