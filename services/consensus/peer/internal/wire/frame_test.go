package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http/httputil"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// heartbeat is a short message, appended one with an entry.
func heartbeat(index uint64) *raftpb.Message {
	return &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(0xa)), To: new(uint64(0xa)), Term: new(uint64(1)), Commit: new(index)}
}

func appended(index uint64, size int) *raftpb.Message {
	return &raftpb.Message{
		Type: raftpb.MsgApp.Enum(), From: new(uint64(0xa)), To: new(uint64(0xa)), Term: new(uint64(1)), Index: new(index),
		Entries: []*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(index + 1), Data: make([]byte, size)}},
	}
}

// exampleStream is three frames as they go into a body, chunked.
func exampleStream(t testing.TB) ([]*raftpb.Message, []byte) {
	messages := []*raftpb.Message{heartbeat(7), appended(8, 3000), heartbeat(1 << 60)}
	var w FrameWriter
	w.Open(FrameMessages)
	for _, m := range messages {
		require.NoError(t, w.Message(m))
	}
	w.Close()
	w.Frame(FramePing, []byte("12345678"))
	w.Frame(FrameOffer, []byte("{}"))
	return messages, append(w.buf, LastChunk...)
}

// Goal: what is framed comes out again, through the chunks that are written around it by hand. Method: read it with the
// standard library's decoder of chunks.
func TestFramesComeOutAsTheyWentIn(t *testing.T) {
	messages, stream := exampleStream(t)
	frames := FrameReader{Source: httputil.NewChunkedReader(bytes.NewReader(stream))}
	kind, payload, err := frames.Next()
	require.NoError(t, err)
	require.Equal(t, FrameMessages, kind)
	require.NoError(t, EachMessage(payload, func(m *raftpb.Message) error {
		require.True(t, proto.Equal(messages[0], m))
		messages = messages[1:]
		return nil
	}))
	require.Empty(t, messages)
	kind, payload, err = frames.Next()
	require.NoError(t, err)
	require.Equal(t, FramePing, kind)
	require.Equal(t, "12345678", string(payload))
	_, _, err = frames.Next()
	require.NoError(t, err)
	_, _, err = frames.Next()
	require.Equal(t, io.EOF, err)
}

// Goal: no damage passes. Method: flip every bit of a frame, and cut it at every length.
func TestDamagedFramesAreRefused(t *testing.T) {
	var w FrameWriter
	whole := bytes.Clone(w.Frame(FramePing, []byte("payload!")))
	for bit := range len(whole) * 8 {
		damaged := bytes.Clone(whole)
		damaged[bit/8] ^= 1 << (bit % 8)
		_, _, err := (&FrameReader{Source: bytes.NewReader(damaged)}).Next()
		require.Error(t, err, "bit %d", bit)
		require.NotEqual(t, io.EOF, err, "bit %d: damage must not look like an end", bit)
	}
	for n := 1; n < len(whole); n++ {
		_, _, err := (&FrameReader{Source: bytes.NewReader(whole[:n])}).Next()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
	}
}

// Goal: a length costs no memory until bytes come. Method: announce the longest frame and send none of it.
func TestAnnouncedLengthClaimsLittleMemory(t *testing.T) {
	head := make([]byte, FrameHeadBytes)
	binary.BigEndian.PutUint32(head[frameCRCBytes:], frameBytesMax)
	frames := FrameReader{Source: bytes.NewReader(head)}
	_, _, err := frames.Next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.LessOrEqual(t, cap(frames.buf), 2*frameReadStep)

	binary.BigEndian.PutUint32(head[frameCRCBytes:], frameBytesMax+1)
	frames = FrameReader{Source: bytes.NewReader(head)}
	_, _, err = frames.Next()
	require.ErrorIs(t, err, ErrBadFrame)
}

// FuzzFrames feeds the decoder anything: it must end, with an error that tells damage from a broken connection, and give
// out only what was made by the encoder or has a right checksum by construction.
func FuzzFrames(f *testing.F) {
	_, stream := exampleStream(f)
	unchunked, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(stream)))
	require.NoError(f, err)
	f.Add(unchunked, false)
	f.Add(unchunked[:len(unchunked)-1], true)
	f.Fuzz(func(t *testing.T, data []byte, repair bool) {
		if repair && len(data) >= FrameHeadBytes {
			// Give the payload's decoder what the checksum would keep from it.
			var w FrameWriter
			data = bytes.Clone(w.Frame(FrameKind(data[FrameHeadBytes-1]), data[FrameHeadBytes:]))
		}
		frames := FrameReader{Source: bytes.NewReader(data)}
		for {
			kind, payload, err := frames.Next()
			if err != nil {
				known := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrBadFrame)
				require.True(t, known, "%v", err)
				return
			}
			if kind != FrameMessages {
				continue
			}
			err = EachMessage(payload, func(m *raftpb.Message) error {
				require.NotNil(t, m)
				return nil
			})
			if err != nil {
				require.ErrorIs(t, err, ErrBadFrame)
			}
		}
	})
}
