package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: what concerns clients is the proxy's, and the rest the member's. Method: flags in both forms, switches among them.
func TestSplit(t *testing.T) {
	member, proxy, err := split([]string{
		"--name", "m0", "--listen-client-urls=https://localhost:20000", "--client-cert-auth", "--cert-file", "/c", "--auto-tls", "--cipher-suites=A,B",
		"--data-dir=/d", "--max-request-bytes=7", "--listen-peer-urls=http://localhost:20001",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"--name", "m0", "--data-dir=/d", "--max-request-bytes=7", "--listen-peer-urls=http://localhost:20001", "--listen-client-urls=http://127.0.0.1:30001"}, member)
	require.Equal(t, []string{
		"--cert-file=/c", "--auto-tls", "--listen-cipher-suites=A,B", "--max-send-bytes=7",
		"--listen-addr=localhost:20000", "--endpoints=http://127.0.0.1:30001", "--data-dir=/d.proxy",
	}, proxy)
	_, proxy, err = split([]string{"--listen-client-urls=unix:x", "--listen-peer-urls=http://localhost:20001"})
	require.NoError(t, err)
	require.Contains(t, proxy, "--listen-addr=unix:x")
	_, _, err = split([]string{"--listen-client-urls=unix:///x"})
	require.Error(t, err)
}
