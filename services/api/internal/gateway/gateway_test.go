package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// noted notes where calls are said to come from.
type noted struct {
	grpc.ClientConnInterface
	origins []string
}

func (n *noted) Invoke(ctx context.Context, _ string, _, _ any, _ ...grpc.CallOption) error {
	said, _ := metadata.FromOutgoingContext(ctx)
	n.origins = said.Get(forwardedFor)
	return nil
}

// Goal: a call is said to come from the client's address, and from nowhere else, whatever the client says: who comes by a Unix socket has none, and took
// any, in the audit log and for its rates. Method: a request from either, with both headers that could say something.
func TestNobodySaysWhereTheyComeFrom(t *testing.T) {
	conn := &noted{}
	handler, err := New(conn, 1<<10)
	require.NoError(t, err)
	for address, origins := range map[string][]string{"192.0.2.7:4711": {"192.0.2.7"}, "@": nil} {
		request := httptest.NewRequest(http.MethodPost, Prefix+"kv/range", strings.NewReader(`{"key":"YQ=="}`))
		request.RemoteAddr = address
		request.Header.Set("X-Forwarded-For", "198.51.100.1")
		request.Header.Set("Grpc-Metadata-X-Forwarded-For", "198.51.100.2")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		require.Equal(t, http.StatusOK, answer.Code)
		require.Equal(t, origins, conn.origins, address)
	}
}
