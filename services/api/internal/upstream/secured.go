package upstream

import (
	"context"
	"crypto/tls"
	"net"

	"google.golang.org/grpc/credentials"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// secured speaks TLS with a member, by the files as they are at each connection.
type secured struct{ client tlsconfig.Client }

// TLSFor is how to speak with the member at an address now.
func TLSFor(client tlsconfig.Client, address string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if client != nil {
		config = client()
	}
	if config.ServerName == "" {
		config.ServerName = address
		if host, _, err := net.SplitHostPort(address); err == nil {
			config.ServerName = host
		}
	}
	return config
}

// ClientHandshake implements credentials.TransportCredentials.
func (s secured) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(TLSFor(s.client, authority)).ClientHandshake(ctx, authority, conn)
}

// ServerHandshake implements credentials.TransportCredentials; nobody is served with these.
func (secured) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, net.ErrClosed
}

// Info implements credentials.TransportCredentials.
func (secured) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (s secured) Clone() credentials.TransportCredentials { return s }

// OverrideServerName implements credentials.TransportCredentials; nobody calls it.
func (secured) OverrideServerName(string) error { return nil }
