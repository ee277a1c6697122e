package consensus

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: clients that ask for hashes do not keep the disk and all processors busy ("a hundred HashKV at once read the state a hundred
// times"). Method: with as many under way as may be, one more gives up with its client, another gets its turn when one ends, and a
// third ends with the member.
func TestHashesAtATimeAreLimited(t *testing.T) {
	m := start(t, testConfig(vfs.NewMem()))
	m.mustPut(t, "key", "value")
	for range hashesMax {
		m.hashes <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.HashKV(ctx, &consensusv1.HashKVRequest{})
	require.ErrorIs(t, err, context.Canceled)

	hash := func() <-chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := m.HashKV(context.Background(), &consensusv1.HashKVRequest{})
			ended <- err
		}()
		return ended
	}
	waiting := hash()
	require.Empty(t, waiting)
	<-m.hashes
	require.NoError(t, <-waiting)
	require.Len(t, m.hashes, hashesMax-1, "the one that ended holds its place")

	m.hashes <- struct{}{}
	waiting = hash()
	require.NoError(t, m.halt())
	require.ErrorIs(t, <-waiting, errdefs.ErrStopped)
}
