package watch

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
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
	p := &probe{
		log: slog.New(slog.DiscardHandler), feed: &growing{}, start: time.Now(),
		position: func() int64 { return position },
		reach:    func(_ context.Context, revision int64) error { position = revision; return nil },
		answers:  func() bool { return ingesting },
	}
	beats := func() {
		for range 2 * lagBeatsMax {
			p.beat(t.Context())
			p.reading.Wait()
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

// Goal: a node that reads what the broadcast did not bring is well meanwhile: it is of use, and all others have as much to read
// ("after 3 s API nodes are told no position and leave", in circles). Method: a read that takes ten seconds.
func TestNodeThatCatchesUpIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &probe{
			log: slog.New(slog.DiscardHandler), feed: &growing{}, start: time.Now(),
			position: func() int64 { return 0 },
			reach: func(ctx context.Context, _ int64) error {
				select {
				case <-time.After(10 * time.Second):
				case <-ctx.Done():
				}
				return ctx.Err()
			},
			answers: func() bool { return false },
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.run(ctx) }()
		<-time.After(5 * time.Second)
		require.True(t, p.well())
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// Goal: a confirmed revision below the node's position is noticed: it is another store ("watches miss n3 to n15 without an
// error"). Method: one that confirms less.
func TestStoreThatWentBackIsNoticed(t *testing.T) {
	var back int64
	p := &probe{
		log: slog.New(slog.DiscardHandler), feed: &growing{revision: 2}, start: time.Now(),
		position: func() int64 { return max(15-15*back, back) },
		wentBack: func(confirmed int64) { back = confirmed },
	}
	p.beat(t.Context())
	require.EqualValues(t, 3, back)
}
