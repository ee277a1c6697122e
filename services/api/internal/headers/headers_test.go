package headers_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	"github.com/quoratedb/quorate/services/api/internal/headers"
)

// Goal: headers are found wherever a context has them. Method: a context that knows them, one that has grpc-go's metadata, and one that has none.
func TestHeadersAreFound(t *testing.T) {
	said := metadata.Pairs("token", "t", "token", "u", "client-api-version", "3.7.0")
	for name, ctx := range map[string]context.Context{
		"known":       context.WithValue(t.Context(), headers.Key{}, said),
		"of a stream": metadata.NewIncomingContext(t.Context(), said),
	} {
		found := headers.Of(ctx)
		require.Equal(t, []string{"t", "u"}, found.Values("token"), name)
		require.Equal(t, "t", found.First("token"), name)
		require.Empty(t, found.Values("authorization"), name)
		require.Empty(t, found.First("authorization"), name)
	}
	require.Empty(t, headers.Of(t.Context()).Values("token"))
}
