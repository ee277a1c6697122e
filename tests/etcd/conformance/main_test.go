package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a run of some tests asks for those of the list that it includes. Method: expressions with and without parts.
func TestSelected(t *testing.T) {
	for _, c := range []struct {
		run, name string
		want      bool
	}{
		{"", "TestKVGet/NoTLS", true},
		{"TestKV", "TestKVGet/NoTLS", true},
		{"TestLease", "TestKVGet/NoTLS", false},
		{"TestKV/NoTLS", "TestKVGet/NoTLS/all", true},
		{"TestKV/TLS$/one", "TestKVGet/NoTLS/all", false},
		{"TestAlarm$/NoTLS", "TestAlarm", true},
	} {
		require.Equal(t, c.want, selected(c.run, c.name), c)
	}
}

// Goal: outcomes are read from a test binary's output however it is cut. Method: the same output whole and byte by byte.
func TestResults(t *testing.T) {
	const output = "=== RUN   TestA\n=== RUN   TestA/one\n    --- FAIL: TestA/one (0.10s)\n--- FAIL: TestA (0.20s)\n" +
		"=== RUN   TestB\n    b_test.go:1: --- PASS: nothing (\n--- PASS: TestB (0.00s)\n=== RUN   TestC\n--- SKIP: TestC (0.00s)\n=== RUN   TestD\npanic\n"
	whole, pieces := &results{outcome: map[string]string{}}, &results{outcome: map[string]string{}}
	_, err := whole.Write([]byte(output))
	require.NoError(t, err)
	for i := range len(output) {
		_, err := pieces.Write([]byte(output[i : i+1]))
		require.NoError(t, err)
	}
	for _, r := range []*results{whole, pieces} {
		require.Equal(t, []string{"TestA/one"}, r.named("FAIL"))
		require.Equal(t, []string{"TestB"}, r.named("PASS"))
		require.Equal(t, []string{"TestC"}, r.named("SKIP"))
		require.Equal(t, []string{"TestD"}, r.named(""))
	}
}
