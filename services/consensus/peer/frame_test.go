package peer

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

// exampleStream is three frames as they go into a body, chunked.
func exampleStream(t testing.TB) ([]*raftpb.Message, []byte) {
	a := &node{receiver: newFakeReceiver(0xa)}
	messages := []*raftpb.Message{heartbeat(a, a, 7), appended(a, a, 8, 3000), heartbeat(a, a, 1<<60)}
	var w frameWriter
	w.open(frameMessages)
	for _, m := range messages {
		require.NoError(t, w.message(m))
	}
	w.close()
	w.frame(framePing, []byte("12345678"))
	w.frame(frameOffer, []byte("{}"))
	return messages, append(w.buf, lastChunk...)
}

// Goal: what is framed comes out again, through the chunks that are written around it by hand. Method: read it with the
// standard library's decoder of chunks.
func TestFramesComeOutAsTheyWentIn(t *testing.T) {
	messages, stream := exampleStream(t)
	frames := frameReader{r: httputil.NewChunkedReader(bytes.NewReader(stream))}
	kind, payload, err := frames.next()
	require.NoError(t, err)
	require.Equal(t, frameMessages, kind)
	require.NoError(t, eachMessage(payload, func(m *raftpb.Message) error {
		require.True(t, proto.Equal(messages[0], m))
		messages = messages[1:]
		return nil
	}))
	require.Empty(t, messages)
	kind, payload, err = frames.next()
	require.NoError(t, err)
	require.Equal(t, framePing, kind)
	require.Equal(t, "12345678", string(payload))
	_, _, err = frames.next()
	require.NoError(t, err)
	_, _, err = frames.next()
	require.Equal(t, io.EOF, err)
}

// Goal: no damage passes. Method: flip every bit of a frame, and cut it at every length.
func TestDamagedFramesAreRefused(t *testing.T) {
	var w frameWriter
	whole := bytes.Clone(w.frame(framePing, []byte("payload!")))
	for bit := range len(whole) * 8 {
		damaged := bytes.Clone(whole)
		damaged[bit/8] ^= 1 << (bit % 8)
		_, _, err := (&frameReader{r: bytes.NewReader(damaged)}).next()
		require.Error(t, err, "bit %d", bit)
		require.NotEqual(t, io.EOF, err, "bit %d: damage must not look like an end", bit)
	}
	for n := 1; n < len(whole); n++ {
		_, _, err := (&frameReader{r: bytes.NewReader(whole[:n])}).next()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
	}
}

// Goal: a length costs no memory until bytes come. Method: announce the longest frame and send none of it.
func TestAnnouncedLengthClaimsLittleMemory(t *testing.T) {
	head := make([]byte, frameHeadBytes)
	binary.BigEndian.PutUint32(head[frameCRCBytes:], frameBytesMax)
	frames := frameReader{r: bytes.NewReader(head)}
	_, _, err := frames.next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.LessOrEqual(t, cap(frames.buf), 2*frameReadStep)

	binary.BigEndian.PutUint32(head[frameCRCBytes:], frameBytesMax+1)
	frames = frameReader{r: bytes.NewReader(head)}
	_, _, err = frames.next()
	require.ErrorIs(t, err, errBadFrame)
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
		if repair && len(data) >= frameHeadBytes {
			// Give the payload's decoder what the checksum would keep from it.
			var w frameWriter
			data = bytes.Clone(w.frame(frameKind(data[frameHeadBytes-1]), data[frameHeadBytes:]))
		}
		frames := frameReader{r: bytes.NewReader(data)}
		for {
			kind, payload, err := frames.next()
			if err != nil {
				known := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errBadFrame)
				require.True(t, known, "%v", err)
				return
			}
			if kind != frameMessages {
				continue
			}
			err = eachMessage(payload, func(m *raftpb.Message) error {
				require.NotNil(t, m)
				return nil
			})
			if err != nil {
				require.ErrorIs(t, err, errBadFrame)
			}
		}
	})
}
