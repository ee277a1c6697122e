package harness

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// AuditLine is what tests look at of a line of a server's audit log.
type AuditLine struct {
	User, Proof, Peer, Method, Subject, Decision, Code string
	Ranges                                             []struct {
		Access, Key string
		RangeEnd    string `json:"range_end"`
	}
}

// AuditLines reads an audit log as far as it is written, of keys that are texts.
func AuditLines(t testing.TB, path string) (lines []AuditLine) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		var read AuditLine
		require.NoError(t, json.Unmarshal([]byte(line), &read), line)
		lines = append(lines, read)
	}
	return lines
}
