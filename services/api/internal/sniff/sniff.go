package sniff

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A gRPC and a Connect request over HTTP/2 differ in the content-type of their HEADERS frame and in nothing before it.
// Many clients do not send that frame before they have seen the server's SETTINGS (grpc-go calls a connection ready
// only then), so whoever wants to read it has to speak first: deciding by the connection preface alone would give every
// h2c connection to one server, and waiting in silence would leave such a client waiting too.
//
// So the reader below is the beginning of an HTTP/2 server. When it would have to wait for the client it sends an empty
// SETTINGS frame, which says "the defaults". The server that takes over sends its own SETTINGS, as it may at any time,
// and sees what the client sent from the preface on, with two exceptions:
//
//   - The acknowledgement of the empty SETTINGS is taken out, for the server does not know of them. grpc-go would ignore
//     it, net/http closes a connection that acknowledges more than it sent. A client that sends HEADERS of its own accord
//     may acknowledge later, so a connection for net/http is held back until the acknowledgement is here.
//   - PINGs are answered here and taken out. A client may connect, keep alive and send its first request much later.
//
// The client's own SETTINGS are acknowledged by the server alone, for the client closes if that happens twice.
//
// A connection on which all is said at once (curl, tonic) is decided without a byte written.

const (
	// readBufferBytes is what is asked of the connection at once; a usual preface with SETTINGS and HEADERS fits.
	readBufferBytes = 2 << 10
	// replayBytesMax bounds what is kept of a connection that is not decided: what a client may send before the server's
	// SETTINGS, which is one flow-control window (64 KiB) and the headers of some requests.
	replayBytesMax = 256 << 10
	// pingsMax is how many PINGs may come sooner than pingInterval after the one before them; grpc-go is as patient.
	pingsMax     = 2
	pingInterval = 5 * time.Second
	// headerListBytesMax bounds the decoded first HEADERS; grpc-go and net/http accept more or less the same.
	headerListBytesMax = 1 << 20
	// frameBytesMax is the frame size that HTTP/2 allows before SETTINGS say more.
	frameBytesMax = 16 << 10
	// acknowledgeTimeout is how long a decided connection is held back for the acknowledgement of our SETTINGS. It is
	// meant for a client that breaks the rule to send one.
	acknowledgeTimeout = 2 * time.Second
	// writeTimeout bounds the few bytes that are written here: they fit any socket buffer.
	writeTimeout = 5 * time.Second
)

var (
	// errTooMuch ends a connection that goes on beyond replayBytesMax without a request, say with headers that never end.
	errTooMuch = errors.New("more was sent before the first request than is kept")
	// errTooManyPings ends a connection that does nothing but ask for signs of life.
	errTooManyPings = errors.New("too_many_pings")
)

// protocol is what a connection's first request speaks.
type protocol int

const (
	// protocolHTTP is everything that net/http serves, and whatever is malformed: it knows how to answer that.
	protocolHTTP protocol = iota
	// protocolGRPC is gRPC over HTTP/2.
	protocolGRPC
)

// sniff reads from the connection until its protocol is known and returns everything that the server has to see before
// what comes next. Until the end of the preface it goes by the connection's deadline, from there on it waits as long as
// the client likes. It fails if the connection does.
func sniff(conn net.Conn) (protocol, []byte, error) {
	in := bufio.NewReaderSize(conn, readBufferBytes)
	for n := range len(http2.ClientPreface) {
		begin, err := in.Peek(n + 1)
		if err != nil {
			return protocolHTTP, nil, err
		}
		if begin[n] != http2.ClientPreface[n] {
			return protocolHTTP, buffered(in, nil), nil
		}
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return protocolHTTP, nil, err
	}
	r := newFrames(conn, in)
	spoken, err := r.firstRequest()
	if errors.Is(err, errTooMuch) || errors.Is(err, errTooManyPings) {
		_ = r.framer.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte(err.Error())) // it is let go either way
	}
	if err != nil {
		return protocolHTTP, nil, err
	}
	return spoken, buffered(in, r.kept), nil
}

// buffered appends what in holds to what was read from it.
func buffered(in *bufio.Reader, read []byte) []byte {
	rest, _ := in.Peek(in.Buffered())
	return append(read, rest...)
}

// frames reads the beginning of an HTTP/2 connection and keeps it. It belongs to one goroutine.
type frames struct {
	conn   net.Conn
	in     *bufio.Reader
	framer *http2.Framer
	// kept is what the server will see; while a frame is read, up to the bytes read so far.
	kept         []byte
	settingsSent bool
	acknowledged bool
	// pinged is when the last PING came, hasty how many came too soon.
	pinged time.Time
	hasty  int
}

func newFrames(conn net.Conn, in *bufio.Reader) *frames {
	f := &frames{conn: conn, in: in}
	f.kept = append(make([]byte, 0, readBufferBytes), http2.ClientPreface...)
	_, _ = in.Discard(len(http2.ClientPreface))
	f.framer = http2.NewFramer(deadlined{conn}, f)
	f.framer.SetMaxReadFrameSize(frameBytesMax)
	f.framer.MaxHeaderListSize = headerListBytesMax
	f.framer.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	return f
}

// Read feeds the framer and keeps what it reads. Just before it would wait it lets the client know that it may speak.
func (f *frames) Read(p []byte) (int, error) {
	if f.in.Buffered() == 0 && !f.settingsSent {
		f.settingsSent = true
		if err := f.framer.WriteSettings(); err != nil {
			return 0, err
		}
	}
	if len(f.kept) > replayBytesMax {
		return 0, errTooMuch
	}
	n, err := f.in.Read(p)
	f.kept = append(f.kept, p[:n]...)
	return n, err
}

// firstRequest reads up to the first HEADERS and, where the server would stumble over it, to the acknowledgement of
// our SETTINGS.
func (f *frames) firstRequest() (protocol, error) {
	decided := false
	for {
		begin := len(f.kept)
		frame, err := f.framer.ReadFrame()
		switch {
		case err == nil:
		case decided && errors.Is(err, os.ErrDeadlineExceeded):
			return protocolHTTP, f.conn.SetReadDeadline(time.Time{})
		case malformed(err):
			return protocolHTTP, f.conn.SetReadDeadline(time.Time{})
		default:
			return protocolHTTP, err
		}
		switch frame := frame.(type) {
		case *http2.PingFrame:
			if !frame.IsAck() {
				f.kept = f.kept[:begin]
				if err := f.answer(frame); err != nil {
					return protocolHTTP, err
				}
			}
		case *http2.SettingsFrame:
			if frame.IsAck() && f.settingsSent && !f.acknowledged {
				f.acknowledged = true
				f.kept = f.kept[:begin]
			}
		case *http2.MetaHeadersFrame:
			if !decided && isGRPC(frame.RegularFields()) {
				return protocolGRPC, nil
			}
			if !decided {
				decided = true
				if err := f.conn.SetReadDeadline(time.Now().Add(acknowledgeTimeout)); err != nil {
					return protocolHTTP, err
				}
			}
		}
		if decided && f.settingsSent == f.acknowledged || len(f.kept) > replayBytesMax {
			return protocolHTTP, f.conn.SetReadDeadline(time.Time{})
		}
	}
}

// answer answers a PING, unless too many come.
func (f *frames) answer(ping *http2.PingFrame) error {
	now := time.Now()
	if now.Sub(f.pinged) < pingInterval {
		if f.hasty++; f.hasty > pingsMax {
			return errTooManyPings
		}
	}
	f.pinged = now
	return f.framer.WritePing(true, ping.Data)
}

// malformed tells whether the client broke HTTP/2's rules, as opposed to the connection having failed.
func malformed(err error) bool {
	var inStream http2.StreamError
	var inConnection http2.ConnectionError
	return errors.As(err, &inStream) || errors.As(err, &inConnection) || errors.Is(err, http2.ErrFrameTooLarge)
}

// isGRPC tells gRPC from Connect, JSON and gRPC-Web, whose content-type begins with the same letters.
func isGRPC(fields []hpack.HeaderField) bool {
	for _, field := range fields {
		if field.Name != "content-type" {
			continue
		}
		kind, ok := strings.CutPrefix(strings.ToLower(field.Value), "application/grpc")
		return ok && (kind == "" || kind[0] == '+' || kind[0] == ';')
	}
	return false
}

// deadlined bounds each write.
type deadlined struct{ net.Conn }

var _ io.Writer = deadlined{}

func (d deadlined) Write(p []byte) (int, error) {
	if err := d.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := d.Conn.Write(p)
	if err != nil {
		return n, err
	}
	return n, d.SetWriteDeadline(time.Time{})
}
