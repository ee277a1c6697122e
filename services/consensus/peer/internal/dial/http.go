package dial

import (
	"context"
	"net"
	"net/http"
	"time"
)

// HTTPTransport makes the ordinary requests to members: all but the streams.
func HTTPTransport(dial *Dialer) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return dial.Plain(ctx, address) },
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dial.Secure(ctx, address, "h2", "http/1.1")
		},
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleTimeout,
		DisableCompression:    true, // what is large here is compressed already
		Protocols:             protocols,
	}
}

// StreamTransport makes requests that go on in both directions. They share a connection, of HTTP/2 without TLS too.
func StreamTransport(dial *Dialer, silence time.Duration) *http.Transport {
	made := HTTPTransport(dial)
	made.DialTLSContext = func(ctx context.Context, _, address string) (net.Conn, error) { return dial.Secure(ctx, address, "h2") }
	made.Protocols.SetHTTP1(false)
	made.Protocols.SetUnencryptedHTTP2(true)
	made.HTTP2 = &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence}
	return made
}
