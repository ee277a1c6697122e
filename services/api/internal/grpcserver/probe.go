package grpcserver

import (
	"net"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/services/api/internal/calls"
)

// grpc-go's clients measure a connection's bandwidth: with the first data that comes while no probe is under way they
// send a PING, and they set their receive window by how much arrives until it is acknowledged. Where answers are small,
// that is a PING for every call, and a system call at each end to send and to receive each of its two frames: a fifth
// of what a put costs server and client together. An acknowledgement that comes late makes the probes few, and costs
// nothing where there is no bandwidth to measure. A connection that moves much gets it at once, as its window has to
// grow; so do all other PINGs, keep-alives among them.
const (
	// probeDelay is how long an acknowledgement is held back: ten probes a second on a connection are too few to
	// matter.
	probeDelay = 100 * time.Millisecond
	// probeBytes is how much is sent between two acknowledgements before the next is not held back any more, an eighth
	// of the window that a client begins with.
	probeBytes = 8 << 10
	// writeBufferBytes gathers answers. Connections that have something to send borrow one: an idle one has none. 8 KiB
	// cost more CPU a call, 64 KiB were no better.
	writeBufferBytes = 32 << 10
)

// probeAck is the frame that acknowledges a probe of grpc-go's: 8 bytes, PING, ACK, stream 0, and the probe's own mark.
const probeAck = "\x00\x00\x08\x06\x01\x00\x00\x00\x00" + "\x02\x04\x10\x10\x09\x0e\x07\x07"

// probed is a connection that is slow to acknowledge probes. One goroutine may write at a time, as grpc-go does.
type probed struct {
	net.Conn
	// mu is held while the connection is written to: an acknowledgement must not come between two parts of a frame.
	mu struct {
		sync.Mutex
		held bool
		// inside is set while the last write may have ended within a frame.
		inside bool
		// sent is how many bytes went out since the last acknowledgement.
		sent   int
		late   *time.Timer
		closed bool
	}
}

func newProbed(conn net.Conn) *probed {
	p := &probed{Conn: conn}
	p.mu.late = time.AfterFunc(probeDelay, p.release)
	p.mu.late.Stop()
	return p
}

// RemoteAddr implements net.Conn. A call's handler finds the address in its context, and by it the connection.
func (p *probed) RemoteAddr() net.Addr { return newAddress(p.Conn.RemoteAddr(), p.Conn) }

// address is a client's address that can end the client's connection, and knows what that has of the places for all.
type address struct {
	net.Addr
	conn   net.Conn
	places budget.Connection
	// arrivals is what it has of the places for calls that arrive, and dropped says that it was ended for one that came too late. They guard both.
	arrivals budget.Share
	dropped  bool
}

func newAddress(of net.Addr, conn net.Conn) *address {
	a := &address{Addr: of, conn: conn}
	end := a.Drop
	if of.Network() == calls.PipeNetwork {
		end = nil // the calls of all JSON clients come by it
	}
	a.places, a.arrivals = budget.NewConnection(end), budget.NewShare(end)
	return a
}

// share is nil for no address.
func (a *address) share() *budget.Share {
	if a == nil {
		return nil
	}
	return &a.arrivals
}

// Drop ends the connection.
func (a *address) Drop() { _ = a.conn.Close() }

// Write implements net.Conn.
func (p *probed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if string(b) == probeAck && !p.mu.inside {
		p.mu.held = true
		if p.mu.sent < probeBytes {
			p.mu.late.Reset(probeDelay)
			return len(b), nil
		}
		return len(b), p.releaseLocked()
	}
	// grpc-go gathers whole frames in a buffer; only when that is full does it write without looking for their end.
	p.mu.inside = len(b) >= writeBufferBytes
	if p.mu.held && !p.mu.inside && !p.mu.closed && p.mu.sent+len(b) >= probeBytes {
		return p.writeAcknowledging(b)
	}
	n, err := p.Conn.Write(b)
	p.mu.sent += n
	return n, err
}

// joined are buffers for what goes out together with an acknowledgement.
var joined = sync.Pool{New: func() any { return new([writeBufferBytes + len(probeAck)]byte) }}

// writeAcknowledging writes frames and the acknowledgement behind them at once: a system call takes longer than a copy.
func (p *probed) writeAcknowledging(b []byte) (int, error) {
	p.acknowledging()
	both := joined.Get().(*[writeBufferBytes + len(probeAck)]byte)
	defer joined.Put(both)
	n, err := p.Conn.Write(append(append(both[:0], b...), probeAck...))
	return min(n, len(b)), err
}

// release sends what was held back for long enough.
func (p *probed) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Nobody waits for the error: the next write has it too.
	_ = p.releaseLocked()
}

func (p *probed) releaseLocked() error {
	if !p.mu.held || p.mu.inside || p.mu.closed {
		return nil
	}
	p.acknowledging()
	_, err := p.Conn.Write([]byte(probeAck))
	return err
}

func (p *probed) acknowledging() {
	p.mu.held, p.mu.sent = false, 0
	p.mu.late.Stop()
}

// Close implements net.Conn. It may be called twice.
func (p *probed) Close() error {
	err := p.Conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.closed = true
	p.mu.late.Stop()
	return err
}
