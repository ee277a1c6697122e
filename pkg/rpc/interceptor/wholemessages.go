package interceptor

import (
	"encoding/binary"
	"io"
	"net/http"

	"connectrpc.com/connect"
)

// prefixBytes is the length of what Connect puts before each message of a stream: flags, and the message's length in
// four bytes.
const prefixBytes = 5

// Whole makes the requests of a client that streams reach the network message by message. Connect hands over a message's
// prefix and the message one after the other, and net/http sends what it is handed at once: two frames, two system calls,
// and two wake-ups on the other side, for one message.
func Whole(client connect.HTTPClient) connect.HTTPClient { return whole{client} }

type whole struct{ connect.HTTPClient }

// Do is for connect.HTTPClient.
func (w whole) Do(request *http.Request) (*http.Response, error) {
	streaming := *request
	streaming.Body = &messages{body: request.Body}
	return w.HTTPClient.Do(&streaming)
}

// messages is the body of a request, which is a sequence of messages. A read returns as much of one as there is room for.
type messages struct {
	body   io.ReadCloser
	prefix [prefixBytes]byte
	// ahead is what is left of the prefix, and left how much of the message behind it, of the message that is being read.
	ahead []byte
	left  uint64
}

// Read is for io.Reader.
func (m *messages) Read(into []byte) (int, error) {
	if len(m.ahead) == 0 && m.left == 0 {
		n, err := io.ReadFull(m.body, m.prefix[:])
		if n == 0 {
			return 0, err
		}
		if err == nil {
			m.left = uint64(binary.BigEndian.Uint32(m.prefix[1:]))
		}
		m.ahead = m.prefix[:n] // if it breaks off, so it does for the other side, and the next read says why
	}
	n := copy(into, m.ahead)
	m.ahead = m.ahead[n:]
	for m.left > 0 && n < len(into) {
		more, err := m.body.Read(into[n:min(uint64(len(into)), uint64(n)+m.left)])
		n, m.left = n+more, m.left-uint64(more)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Close is for io.Closer.
func (m *messages) Close() error { return m.body.Close() }
