package grpcserver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"google.golang.org/grpc/credentials"
)

// handshaken are the credentials of connections whose TLS handshake, if they have TLS, was done before grpc-go got them.
type handshaken struct{}

// secured is a connection that knows about its TLS.
type secured interface {
	// TLS is nil without TLS.
	TLS() *tls.ConnectionState
}

var _ credentials.TransportCredentials = handshaken{}

// ServerHandshake reports what the handshake brought, the client's certificates above all.
func (handshaken) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if known, ok := conn.(secured); ok && known.TLS() != nil {
		return newProbed(conn), credentials.TLSInfo{
			State:          *known.TLS(),
			CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		}, nil
	}
	return newProbed(conn), plain{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}, nil
}

// ClientHandshake is not for servers.
func (handshaken) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a server's")
}

// Info implements credentials.TransportCredentials.
func (handshaken) Info() credentials.ProtocolInfo { return credentials.ProtocolInfo{} }

// Clone implements credentials.TransportCredentials.
func (h handshaken) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials.
func (handshaken) OverrideServerName(string) error { return nil }

// plain says that a connection has no TLS.
type plain struct{ credentials.CommonAuthInfo }

func (plain) AuthType() string { return "insecure" }
