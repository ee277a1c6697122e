package phases

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: what is noted for a context is found by whoever made room for it, through contexts made of it, and a request that wrote nothing has
// nothing to say. Method: two writes of one request, and none.
func TestPhasesOfARequestAddUp(t *testing.T) {
	require.Nil(t, Of(t.Context()))
	ctx := With(t.Context())
	require.Empty(t, Of(ctx).Attributes())
	inner, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	Of(inner).Add(Phases{Queue: 1, Replicate: 2})
	Of(inner).Add(Phases{Queue: 10, Sync: 3, Apply: 4})
	require.Equal(t, Phases{Queue: 11, Sync: 3, Replicate: 2, Apply: 4}, *Of(ctx))
	require.Len(t, Of(ctx).Attributes(), 4)
}
