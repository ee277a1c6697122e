package outbound

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/metrics"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/notices"
)

// Goal: what a member brings is forgotten when it is reached where the list has it, and is never less secret than that.
// Method: a link without a network.
func TestBroughtAddressesAreForgotten(t *testing.T) {
	l := New(Config{Metrics: metrics.New(), Notices: notices.New(slog.New(slog.DiscardHandler))}, 0xb, []string{"https://b:1"})
	l.Bring([]string{"http://b:2", "https://b:3", "https://b:1"})
	require.Equal(t, []string{"https://b:1", "https://b:3"}, l.URLs())
	l.Bring([]string{"https://b:4"})
	require.Equal(t, []string{"https://b:1", "https://b:4"}, l.URLs())
	l.answered("https://b:4")
	require.Equal(t, []string{"https://b:1", "https://b:4"}, l.URLs())
	l.answered("https://b:1")
	require.Equal(t, []string{"https://b:1"}, l.URLs())
}
