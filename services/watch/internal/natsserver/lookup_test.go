package natsserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

// Goal: routes are to all addresses of all names; they outlive answers that leave an address or a name out ("routes end
// while nothing happens") and failures, but not a node that is gone. Method: answers of each kind.
func TestLookUp(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	gone, failing := &net.DNSError{IsNotFound: true}, errors.New("no answer")
	zone := map[string][]string{"a": {"10.0.0.2", "10.0.0.1"}, "b": {"10.0.0.3"}}
	problems := map[string]error{}
	looked := names{peers: []string{"a:1", "b:2"}, known: resolver.Known{}, lookUp: func(_ context.Context, host string) ([]string, error) {
		return zone[host], problems[host]
	}}
	all := []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:2"}
	require.Equal(t, all, looked.look(t.Context(), log))
	for range 5 {
		zone["a"] = zone["a"][:1]
		require.Equal(t, all, looked.look(t.Context(), log))
		zone["a"] = []string{"10.0.0.1"}
		problems["b"] = gone
		require.Equal(t, all, looked.look(t.Context(), log))
		problems["b"] = failing
		for range 20 {
			require.Equal(t, all, looked.look(t.Context(), log))
		}
		problems["b"] = nil
		zone["a"] = []string{"10.0.0.2", "10.0.0.1"}
	}
	problems["b"] = gone
	for len(all) == 3 {
		all = looked.look(t.Context(), log)
	}
	require.Equal(t, []string{"10.0.0.1:1", "10.0.0.2:1"}, all)
}
