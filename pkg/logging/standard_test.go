package logging

import (
	"bytes"
	"log"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// What package log is told comes out of the logger, but for net/http's debugging of HTTP/2, which comes out as it is.
func TestStandardLogIsTaken(t *testing.T) {
	writer, flags, before := log.Writer(), log.Flags(), slog.Default()
	defer func() {
		slog.SetDefault(before)
		log.SetOutput(writer)
		log.SetFlags(flags)
	}()
	for debug, raw := range map[string]string{"": "", "madvdontneed=1,http2debug=2": "http2: \":authority\"\n"} {
		t.Setenv("GODEBUG", debug)
		var plain, logged bytes.Buffer
		log.SetOutput(&plain)
		log.SetFlags(0)
		TakeStandard(slog.New(slog.NewJSONHandler(&logged, nil)))
		log.Printf("http2: %q", ":authority")
		require.Equal(t, raw, plain.String())
		require.Equal(t, raw == "", logged.Len() > 0)
	}
}
