package peer

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// newHTTPTransport makes the ordinary requests to members: all but the streams.
func newHTTPTransport(config *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	if config != nil {
		config = config.Clone()
		config.NextProtos = nil // net/http adds what it speaks
	}
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   handshakeTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleTimeout,
		DisableCompression:    true, // what is large here is compressed already
		Protocols:             protocols,
	}
}

// newStreamTransport makes requests that go on in both directions. They share a connection, of HTTP/2 without TLS too.
func newStreamTransport(config *tls.Config, silence time.Duration) *http.Transport {
	made := newHTTPTransport(config)
	made.Protocols.SetHTTP1(false)
	made.Protocols.SetUnencryptedHTTP2(true)
	made.HTTP2 = &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence}
	return made
}

// introducing adds to each request who asks.
type introducing struct {
	t    *Transport
	to   uint64
	next http.RoundTripper
}

func (i introducing) RoundTrip(req *http.Request) (*http.Response, error) {
	r, leave, ok := i.t.enter()
	if !ok {
		return nil, refuse(RefusedNotNow, "this member is starting or stopping")
	}
	defer leave()
	req = req.Clone(req.Context())
	i.t.greeting(r, i.to).write(req.Header)
	return i.next.RoundTrip(req)
}

// HTTPClient returns a client for what is mounted on other members' transports. Its requests say who asks and that they
// are for member to, 0 for whoever it may be. It works while Run does. HTTP/2 is used where TLS is.
func (t *Transport) HTTPClient(to uint64) *http.Client {
	return &http.Client{Transport: introducing{t: t, to: to, next: t.requests}}
}

// StreamClient returns a client like HTTPClient's, for requests whose answers begin before they end.
func (t *Transport) StreamClient(to uint64) *http.Client {
	return &http.Client{Transport: introducing{t: t, to: to, next: t.streams}}
}

// URL returns where a peer is reached: the URL of the last stream to it, or else its first; false if it is unknown.
func (t *Transport) URL(id uint64) (string, bool) {
	l := (*t.links.Load())[id]
	if l == nil {
		return "", false
	}
	return l.bestURL()
}
