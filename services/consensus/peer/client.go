package peer

import (
	"net/http"
	"time"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// introducing adds to each request who asks.
type introducing struct {
	t    *Transport
	to   uint64
	next http.RoundTripper
}

func (i introducing) RoundTrip(req *http.Request) (*http.Response, error) {
	r, leave, ok := i.t.enter()
	if !ok {
		return nil, wire.Refuse(wire.RefusedNotNow, "this member is starting or stopping")
	}
	defer leave()
	req = req.Clone(req.Context())
	i.t.greeting(r, i.to).Write(req.Header)
	began := time.Now()
	answer, err := i.next.RoundTrip(req)
	if err == nil {
		i.t.watchClock(i.to, answer.Header, began, time.Now())
	}
	return answer, err
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

// URL returns where requests to a peer are made to: the URL of the last stream to it, or else its first; false if it is
// unknown. For a socket it is one that only HTTPClient and StreamClient know the way to.
func (t *Transport) URL(id uint64) (string, bool) {
	l := (*t.links.Load())[id]
	if l == nil {
		return "", false
	}
	url, known := l.BestURL()
	return wire.RequestURL(url), known
}
