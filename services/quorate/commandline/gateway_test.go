package commandline

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The gateway can be turned off and host names be listed, without a warning that it has no effect.
func TestGatewayAndHostsAreObeyed(t *testing.T) {
	invocation, err := Parse([]string{"--enable-grpc-gateway=false", "--host-whitelist=localhost,127.0.0.1"}, nil)
	require.NoError(t, err)
	require.Empty(t, invocation.Warnings)
	require.False(t, invocation.Config.EnableGRPCGateway)
	require.Equal(t, []string{"localhost", "127.0.0.1"}, invocation.Config.HostWhitelist)
}
