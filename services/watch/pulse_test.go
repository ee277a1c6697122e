package watch

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// growing is a store that is written to between two questions.
type growing struct {
	ConfirmedFeed
	revision int64
}

func (g *growing) ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error) {
	g.revision++
	return &consensusv1.ReadIndexResponse{Revision: g.revision}, nil
}

// Goal: a watch tier that starts while writes go on gets an ingester ("events come late for as long as writes go on"),
// and one whose broadcast does not keep up loses its task, and may have it again later. Method: beats of a node that
// always reads what the broadcast did not bring.
func TestNodeMayIngestAlthoughNobodyDoes(t *testing.T) {
	var position int64
	ingesting := false
	p := &pulse{
		log: slog.New(slog.DiscardHandler), feed: &growing{}, start: time.Now(),
		position: func() int64 { return position },
		reach:    func(_ context.Context, revision int64) error { position = revision; return nil },
		answers:  func() bool { return ingesting },
	}
	beats := func() {
		for range 2 * lagBeatsMax {
			p.beat(t.Context())
		}
	}
	require.False(t, p.able(), "it has not heard consensus")
	beats()
	require.True(t, p.able(), "nobody ingests: somebody must begin")
	ingesting = true
	beats()
	require.False(t, p.able(), "its broadcast does not keep up")
	ingesting = false
	beats()
	require.True(t, p.able(), "it may try again")
}
