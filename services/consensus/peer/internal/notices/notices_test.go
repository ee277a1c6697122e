package notices

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: the log of refused handshakes names the real reason at once: what went wrong just before hid it for ten seconds.
// Method: the same trouble again and again, then for another reason, then for very many.
func TestNewReasonIsLoggedAtOnce(t *testing.T) {
	logged := &bytes.Buffer{}
	n := New(slog.New(slog.NewTextHandler(logged, nil)))
	for port := range 100 {
		n.WarnWhy(0xa, "a peer cannot be reached", fmt.Errorf("dial tcp 127.0.0.1:%d: connection refused", port))
	}
	require.Equal(t, 1, strings.Count(logged.String(), "cannot be reached"))
	n.WarnWhy(0xa, "a peer cannot be reached", errors.New("TLS: unknown certificate authority"))
	require.Contains(t, logged.String(), "unknown certificate authority")
	for i := range 10 * reasonsMax {
		n.WarnWhy(0xa, "a peer cannot be reached", errors.New(strings.Repeat("x", i)))
	}
	require.LessOrEqual(t, strings.Count(logged.String(), "cannot be reached"), reasonsMax)
}
