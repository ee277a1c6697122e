package outbound

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/dial"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// stream is a connection to a peer that has accepted it: one POST whose body goes on until either side ends it, and
// whose answer, which comes in meanwhile, carries signs of life. It is plain HTTP/1.1, spoken here without net/http's
// client, because that copies a body through a pipe and a goroutine of its own and has no deadlines for writes.
type stream struct {
	l        *Link
	url      string
	conn     net.Conn
	response *http.Response
	silence  time.Duration

	batch []item
	out   wire.FrameWriter
	start time.Time // pings carry the time since then
}

// connect opens a stream to one of the peer's URLs.
func (l *Link) connect(ctx context.Context, text string) (*stream, error) {
	u, err := url.Parse(wire.RequestURL(text))
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	if u.Scheme == "https" {
		conn, err = l.cfg.Dial.Secure(ctx, u.Host, "http/1.1")
	} else {
		conn, err = l.cfg.Dial.Plain(ctx, u.Host)
	}
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	response, err := l.greet(conn, u)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, closeQuietly(conn))
	}
	return &stream{l: l, url: text, conn: conn, response: response, silence: l.cfg.Silence, start: time.Now()}, nil
}

// greet sends the request's head and waits for the answer's. The peer's refusal is returned as a *Refusal.
func (l *Link) greet(conn net.Conn, u *url.URL) (*http.Response, error) {
	if err := conn.SetDeadline(time.Now().Add(dial.HandshakeTimeout)); err != nil {
		return nil, err
	}
	greeting, ok := l.cfg.Owner.Greeting(l.id)
	if !ok {
		return nil, context.Canceled
	}
	header := make(http.Header)
	greeting.Write(header)
	var head bytes.Buffer
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n", strings.TrimSuffix(u.Path, "/")+wire.PathStream, u.Host)
	if err := header.Write(&head); err != nil {
		return nil, err
	}
	head.WriteString("\r\n")
	if _, err := conn.Write(head.Bytes()); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodPost})
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if err := wire.RefusalOf(response); err != nil {
		return nil, err
	}
	return response, conn.SetDeadline(time.Time{})
}

// serve writes the link's queue until the stream breaks or ctx ends, and closes the stream. The error says why it broke.
func (s *stream) serve(ctx context.Context) error {
	answers := make(chan error, 1)
	go func() {
		err := s.readAnswers()
		_ = s.conn.Close() // ends a write that the peer does not take
		answers <- err
	}()
	// A write that is under way when ctx ends may take as long as it takes to flush, and no longer.
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetWriteDeadline(time.Now().Add(s.l.cfg.Flush)) })
	err := s.writeQueue(ctx, answers)
	stop()
	if err == nil {
		// Closing while signs of life are still coming in would make the kernel throw away what the peer has not read.
		select {
		case answer := <-answers:
			answers <- answer
		case <-time.After(s.l.cfg.Flush):
		}
	}
	_ = s.conn.Close()
	// Why the peer ended it says more than that writing failed.
	if answer := <-answers; answer != nil && !errors.Is(answer, net.ErrClosed) {
		return answer
	}
	return err
}

// writeQueue returns nil after ctx ended and the queue was written.
func (s *stream) writeQueue(ctx context.Context, answers chan error) error {
	ping := time.NewTicker(s.silence / pingsPerSilence)
	defer ping.Stop()
	for {
		if wrote, err := s.writeBatch(); err != nil {
			return err
		} else if wrote {
			select {
			case <-ping.C: // a busy stream needs its signs of life as well
				if err := s.writePing(); err != nil {
					return err
				}
			default:
			}
			continue
		}
		select {
		case <-ctx.Done():
			_, err := io.WriteString(s.conn, wire.LastChunk)
			return err
		case err := <-answers:
			answers <- err
			return io.ErrUnexpectedEOF
		case <-s.l.kick:
			if !slices.Contains(*s.l.urls.Load(), s.url) {
				return errOtherURLs
			}
		case <-s.l.queue.ready:
		case <-ping.C:
			if err := s.writePing(); err != nil {
				return err
			}
		}
	}
}

// writeBatch writes what has queued, up to a frame of messages and the offers among them, in one go.
func (s *stream) writeBatch() (wrote bool, err error) {
	s.batch = s.l.queue.take(s.batch[:0], batchBytes)
	if len(s.batch) == 0 {
		return false, nil
	}
	s.l.full.Store(false)
	s.out.Reset()
	s.out.Open(wire.FrameMessages)
	for _, i := range s.batch {
		if i.message.GetType() == raftpb.MsgSnap {
			continue
		}
		if err := s.out.Message(i.message); err != nil {
			return false, err
		}
	}
	s.out.Close()
	for _, i := range s.batch {
		if i.offer != nil {
			s.out.Frame(wire.FrameOffer, i.offer)
		}
	}
	s.l.count.sent.Add(float64(len(s.batch)))
	clear(s.batch)
	return true, s.write()
}

func (s *stream) writePing() error {
	s.out.Reset()
	s.out.Frame(wire.FramePing, binary.BigEndian.AppendUint64(nil, uint64(time.Since(s.start))))
	return s.write()
}

func (s *stream) write() error {
	n, err := s.conn.Write(s.out.Bytes())
	s.l.count.sentBytes.Add(float64(n))
	return err
}

// readAnswers returns when the peer ends the stream, or is silent for too long.
func (s *stream) readAnswers() error {
	frames := wire.FrameReader{Source: s.response.Body}
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(s.silence)); err != nil {
			return err
		}
		kind, payload, err := frames.Next()
		switch {
		case wire.IsTimeout(err):
			return fmt.Errorf("no sign of life for %s", s.silence)
		case errors.Is(err, io.EOF):
			return errors.New("the peer has ended the stream")
		case err != nil:
			return err
		}
		switch kind {
		case wire.FrameAlive:
			if len(payload) == 8 {
				s.l.measured(time.Since(s.start) - time.Duration(binary.BigEndian.Uint64(payload)))
			}
		case wire.FrameRefusal:
			return wire.Refuse(wire.RefusedRequest, "%s", payload)
		}
	}
}

// measured notes how long a sign of life took, and says so of a peer that is so slow that it is near to be given up.
func (l *Link) measured(rtt time.Duration) {
	l.count.roundTrip.Observe(rtt.Seconds())
	if rtt > l.cfg.Silence/slowPart {
		l.cfg.Notices.Warn(l.id, "a peer is slow to answer: it, or the network to it, is overloaded", "took", rtt, "given-up-after", l.cfg.Silence)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.rtt = rtt
}

// closeQuietly closes what is given up for another reason.
func closeQuietly(c io.Closer) error {
	_ = c.Close()
	return nil
}
