package natspublisher

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// Goal: keys have the subjects that the documentation says. Method: the table.
func TestSubject(t *testing.T) {
	for key, want := range map[string]string{
		"/config/db/url":           "quorate.kv.config.db.url",
		"config/db/url":            "quorate.kv.config.db.url",
		"/hosts/a.example":         "quorate.kv.hosts.a%2Eexample",
		"/a//b/":                   "quorate.kv.a.%.b.%",
		"/":                        "quorate.kv.%",
		"a b*c>d%e":                "quorate.kv.a%20b%2Ac%3Ed%25e",
		"\x00\xff":                 "quorate.kv.%00%FF",
		"ü":                        "quorate.kv.%C3%BC",
		strings.Repeat("a/", 2000): "quorate.long",
	} {
		require.Equal(t, want, Subject([]byte(key)), "%q", key)
	}
}

// Goal: every key has a subject that NATS accepts, and keys that differ in more than a slash in front have different
// ones. Method: fuzzing pairs of keys.
func FuzzSubject(f *testing.F) {
	f.Add("/a/b", "a/b/")
	f.Add("a.b", "a/b")
	f.Add("a%2Eb", "a.b")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := Subject([]byte(a)), Subject([]byte(b))
		require.True(t, server.IsValidLiteralSubject(x), x)
		if x == y && x != LongSubject {
			require.Equal(t, strings.TrimPrefix(a, "/"), strings.TrimPrefix(b, "/"))
		}
	})
}
