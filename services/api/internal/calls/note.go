package calls

import (
	"bytes"
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/phases"
	"github.com/quoratedb/quorate/services/api/internal/auditlog"
)

// Note is a call that took long, by what it asked for and without any value.
type Note struct {
	// Method is its full name without the first slash.
	Method string
	Begun  time.Time
	Took   time.Duration
	Peer   string
	// Prefix is what all keys begin with that it names, to the last slash of that.
	Prefix []byte
	Shape  string
	Code   string
	// Phases are where the time of a write went; all 0 where that is not known.
	Phases phases.Phases
}

// Noter remembers slow calls. Its methods may be called concurrently.
type Noter interface {
	// WantsSlow tells, quickly, whether it would remember a call of a method, by the name in Note, that took so long and has just ended.
	WantsSlow(method string, took time.Duration, ended time.Time) bool
	// NoteSlow remembers a call. ctx is of the call, and knows for whom it was made.
	NoteSlow(ctx context.Context, n Note)
}

// NoteSlow has slow unary calls noted. Call it before Register.
func (c *Calls) NoteSlow(noter Noter) { c.noter = noter }

func noteOf(ctx context.Context, m *Method, begun time.Time, took time.Duration, request any, err error) Note {
	n := Note{Method: strings.TrimPrefix(m.full, "/"), Begun: begun, Took: took, Prefix: commonPrefix(auditlog.Keys(request)), Shape: shapeOf(request), Code: status.Code(err).String()}
	if known := phases.Of(ctx); known != nil {
		n.Phases = *known
	}
	if client, ok := peer.FromContext(ctx); ok {
		n.Peer = client.Addr.String()
	}
	return n
}

// prefixBytesMax is how much of a prefix is noted.
const prefixBytesMax = 128

// commonPrefix is what all keys begin with, to the last slash of that; nil where that is nothing.
func commonPrefix(keys [][]byte) []byte {
	if len(keys) == 0 {
		return nil
	}
	common := keys[0]
	for _, key := range keys[1:] {
		n := 0
		for n < len(common) && n < len(key) && common[n] == key[n] {
			n++
		}
		common = common[:n]
	}
	common = common[:bytes.LastIndexByte(common, '/')+1]
	return bytes.Clone(common[:min(len(common), prefixBytesMax)])
}
