package clients

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// What an operator says about the gateway and host names reaches the service, and unsaid both are as with etcd.
func TestGatewayAndHostsReachTheService(t *testing.T) {
	made := func(c config.Config) (bool, []string) {
		a := (&Side{}).Config(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), descriptors.Budget{})
		return a.NoGateway, a.HostWhitelist
	}
	c := config.Default()
	off, hosts := made(c)
	require.False(t, off)
	require.Equal(t, []string{"*"}, hosts)
	c.EnableGRPCGateway, c.HostWhitelist = false, []string{"good.example"}
	off, hosts = made(c)
	require.True(t, off)
	require.Equal(t, []string{"good.example"}, hosts)
}
