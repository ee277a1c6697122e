package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// A frame, on a stream in either direction, all numbers big endian:
//
//	offset 0   4 bytes   CRC-32C of all that follows
//	       4   4 bytes   length of the payload
//	       8   1 byte    kind
//	       9             payload
//
// For example, a ping with the payload 00 00 00 00 00 00 00 2a is
//
//	xx xx xx xx  00 00 00 08  02  00 00 00 00 00 00 00 2a
//
// The payload of FrameMessages is any number of raftpb.Message, each preceded by its length as a varint.
const (
	frameCRCBytes  = 4
	FrameHeadBytes = 9
)

type FrameKind byte

const (
	// FrameMessages carries raft messages, from the sender.
	FrameMessages FrameKind = 1
	// FramePing asks for a FrameAlive with the same payload, from the sender.
	FramePing FrameKind = 2
	// FrameOffer tells the receiver to come and get a snapshot; the payload is an offer in JSON.
	FrameOffer FrameKind = 3
	// FrameAlive is a sign of life, from the receiver: the payload of a ping, or empty when long frames come in.
	FrameAlive FrameKind = 4
	// FrameRefusal ends a stream, from the receiver; the payload says why.
	FrameRefusal FrameKind = 5
)

// ErrBadFrame is what is wrong with a frame that did not arrive as it was sent, or was not made by a sender of ours.
var ErrBadFrame = errors.New("bad frame")

// Castagnoli is the polynomial of all checksums between members.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A chunk of HTTP/1.1's chunked encoding is its length in hexadecimal, a line end, the bytes and a line end. The length
// may have leading zeros, so room of a fixed size is left for it in front of a frame.
const (
	chunkHeadBytes = 8 + len("\r\n")
	chunkEnd       = "\r\n"
	LastChunk      = "0\r\n\r\n"
)

// FrameWriter collects frames, each as a chunk of a request body, that go to the connection in one write.
type FrameWriter struct {
	buf   []byte
	start int // of the open frame
}

// Bytes are the frames that were collected, until the next Reset.
func (w *FrameWriter) Bytes() []byte { return w.buf }

// Reset forgets the collected frames and keeps the memory, unless an exceptional frame has made that large.
func (w *FrameWriter) Reset() {
	if cap(w.buf) > frameBufferKept {
		w.buf = nil
	}
	w.buf = w.buf[:0]
}

// Open begins a frame.
func (w *FrameWriter) Open(kind FrameKind) {
	w.buf = append(w.buf, make([]byte, chunkHeadBytes)...)
	w.start = len(w.buf)
	w.buf = append(w.buf, make([]byte, FrameHeadBytes)...)
	w.buf[w.start+FrameHeadBytes-1] = byte(kind)
}

// Close completes the frame and returns it without the chunk around it.
func (w *FrameWriter) Close() []byte {
	frame := w.buf[w.start:]
	binary.BigEndian.PutUint32(frame[frameCRCBytes:], uint32(len(frame)-FrameHeadBytes))
	binary.BigEndian.PutUint32(frame, crc32.Checksum(frame[frameCRCBytes:], Castagnoli))
	copy(w.buf[w.start-chunkHeadBytes:], fmt.Sprintf("%08x\r\n", len(frame)))
	w.buf = append(w.buf, chunkEnd...)
	return frame
}

// Message adds a raft message to the open frame.
func (w *FrameWriter) Message(m *raftpb.Message) error {
	w.buf = protowire.AppendVarint(w.buf, uint64(proto.Size(m)))
	encoded, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(w.buf, m)
	if err != nil {
		return fmt.Errorf("encode %s: %w", m.GetType(), err)
	}
	w.buf = encoded
	return nil
}

// Frame adds a whole frame and returns it without the chunk around it.
func (w *FrameWriter) Frame(kind FrameKind, payload []byte) []byte {
	w.Open(kind)
	w.buf = append(w.buf, payload...)
	return w.Close()
}

// FrameReader takes frames apart.
type FrameReader struct {
	// Source is where the frames come from.
	Source io.Reader
	head   [FrameHeadBytes]byte
	buf    []byte
}

// Next returns the next frame; the payload is valid until the next call. The error is io.EOF when the stream ended
// between two frames, ErrBadFrame when the bytes are no frame, and otherwise what reading failed with.
func (r *FrameReader) Next() (FrameKind, []byte, error) {
	if _, err := io.ReadFull(r.Source, r.head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(r.head[frameCRCBytes:])
	if length > frameBytesMax {
		return 0, nil, fmt.Errorf("%w: %d bytes long, at most %d are accepted", ErrBadFrame, length, frameBytesMax)
	}
	if err := r.payload(int(length)); err != nil {
		return 0, nil, err
	}
	sum := crc32.Checksum(r.head[frameCRCBytes:], Castagnoli)
	sum = crc32.Update(sum, Castagnoli, r.buf)
	if want := binary.BigEndian.Uint32(r.head[:]); sum != want {
		return 0, nil, fmt.Errorf("%w: checksum %08x instead of %08x", ErrBadFrame, sum, want)
	}
	return FrameKind(r.head[FrameHeadBytes-1]), r.buf, nil
}

// payload reads into buf, which grows with what arrives and not with what was announced.
func (r *FrameReader) payload(length int) error {
	if cap(r.buf) > frameBufferKept {
		r.buf = nil
	}
	r.buf = r.buf[:0]
	for len(r.buf) < length {
		n := min(length-len(r.buf), max(frameReadStep, len(r.buf)))
		have := len(r.buf)
		if cap(r.buf) < have+n {
			r.buf = append(make([]byte, 0, have+n), r.buf...)
		}
		r.buf = r.buf[:have+n]
		if _, err := io.ReadFull(r.Source, r.buf[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// EachMessage calls fn for each message in the payload of a FrameMessages. What fn gets is its own.
func EachMessage(payload []byte, fn func(*raftpb.Message) error) error {
	for len(payload) > 0 {
		encoded, n := protowire.ConsumeBytes(payload)
		if n < 0 {
			return fmt.Errorf("%w: a message is cut short", ErrBadFrame)
		}
		payload = payload[n:]
		m := &raftpb.Message{}
		if err := proto.Unmarshal(encoded, m); err != nil {
			return fmt.Errorf("%w: %w", ErrBadFrame, err)
		}
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

// IsTimeout tells whether reading failed because nothing came in time.
func IsTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
