package health

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// silent is a store that answers nothing.
type silent struct{}

func (silent) Status(ctx context.Context, _ *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (silent) Alarms(ctx context.Context, _ *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (silent) Range(ctx context.Context, _ *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A node whose store is elsewhere and silent is alive, since a restart would not help, and says within a second that it is not
// ready ("/health and /readyz hang for over 20 s, /livez is 503 after 7 s"). Ask each.
func TestProbesOfANodeWithoutItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		handler := New(true, slog.New(slog.DiscardHandler), nil)
		handler.Open(silent{})
		handler.Register(mux)
		for path, want := range map[string]int{
			"/livez": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/health": http.StatusServiceUnavailable,
		} {
			began, answer := time.Now(), httptest.NewRecorder()
			mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
			require.Equal(t, want, answer.Code, path)
			require.Less(t, time.Since(began), time.Second, path)
		}
	})
}
