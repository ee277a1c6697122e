package harness

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Metric is what one of a server's metrics says, of a name with its labels.
func Metric(t testing.TB, s *Server, name string) float64 {
	t.Helper()
	answer, err := http.Get(s.URL() + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n"+name+" ")
	require.True(t, found, name)
	line, _, _ := strings.Cut(rest, "\n")
	value, err := strconv.ParseFloat(line, 64)
	require.NoError(t, err)
	return value
}
