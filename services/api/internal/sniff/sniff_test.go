package sniff

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is what a client sends over HTTP/2.
type wire struct {
	bytes.Buffer
	framer *http2.Framer
	hpack  *hpack.Encoder
	block  bytes.Buffer
}

// preface begins with what every client sends first.
func preface() *wire {
	w := &wire{}
	w.WriteString(http2.ClientPreface)
	w.framer = http2.NewFramer(w, nil)
	w.hpack = hpack.NewEncoder(&w.block)
	_ = w.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	return w
}

// request adds HEADERS, in as many frames as pieces says.
func (w *wire) request(contentType string, pieces int) *wire {
	w.block.Reset()
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/etcdserverpb.KV/Range"},
		{Name: "user-agent", Value: "test"},
		{Name: "content-type", Value: contentType},
	} {
		_ = w.hpack.WriteField(field)
	}
	block, size := w.block.Bytes(), w.block.Len()/pieces
	_ = w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:size], EndHeaders: pieces == 1})
	for i := 1; i < pieces; i++ {
		from, to := i*size, (i+1)*size
		if i == pieces-1 {
			to = len(block)
		}
		_ = w.framer.WriteContinuation(1, i == pieces-1, block[from:to])
	}
	return w
}

func (w *wire) add(write func(*http2.Framer) error) *wire {
	if err := write(w.framer); err != nil {
		panic(err)
	}
	return w
}

func ack(f *http2.Framer) error { return f.WriteSettingsAck() }
func ping(f *http2.Framer) error {
	return f.WritePing(false, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
}

// sniffed is what sniff has found out.
type sniffed struct {
	protocol protocol
	replay   string
	err      error
}

// dialog runs sniff on one end of a pipe and returns the other, with everything that sniff writes to it.
func dialog(t *testing.T) (client net.Conn, answers *http2.Framer, result chan sniffed) {
	t.Helper()
	server, client := net.Pipe()
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	result = make(chan sniffed, 1)
	go func() {
		spoken, replay, err := sniff(server)
		result <- sniffed{spoken, string(replay), err}
	}()
	return client, http2.NewFramer(io.Discard, client), result
}

// Goal: a client that says everything at once is sorted right, gets nothing written, and loses no byte. Method: a table
// of beginnings, each sent whole.
func TestSortsWhatComesAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		sent string
		want protocol
	}{
		"HTTP/1.1 GET":      {"GET /health HTTP/1.1\r\n\r\n", protocolHTTP},
		"HTTP/1.1 PUT":      {"PUT / HTTP/1.1\r\n\r\n", protocolHTTP},
		"almost a preface":  {"PRI * HTTP/2.0\r\n\r\nSMASH", protocolHTTP},
		"garbage":           {"\x00\xff\x16\x03\x01 who knows", protocolHTTP},
		"TLS where none is": {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", protocolHTTP},
		"gRPC":              {preface().request("application/grpc", 1).String(), protocolGRPC},
		"gRPC+proto":        {preface().request("application/grpc+proto", 1).String(), protocolGRPC},
		"gRPC;charset":      {preface().request("application/grpc;charset=utf-8", 1).String(), protocolGRPC},
		"GRPC":              {preface().request("Application/GRPC", 1).String(), protocolGRPC},
		"gRPC-Web":          {preface().request("application/grpc-web+proto", 1).String(), protocolHTTP},
		"Connect":           {preface().request("application/connect+proto", 1).String(), protocolHTTP},
		"JSON":              {preface().request("application/json", 1).String(), protocolHTTP},
		"in four pieces":    {preface().request("application/grpc", 4).String(), protocolGRPC},
		"with other frames": {preface().add(func(f *http2.Framer) error {
			_ = f.WriteWindowUpdate(0, 1<<20)
			_ = f.WritePriority(3, http2.PriorityParam{Weight: 7})
			return f.WriteRawFrame(0xfa, 0, 0, []byte("unknown"))
		}).request("application/grpc", 2).String(), protocolGRPC},
		"with data behind": {preface().request("application/json", 1).add(func(f *http2.Framer) error {
			return f.WriteData(1, true, []byte("{}"))
		}).String(), protocolHTTP},
		"headers on stream 0": {preface().String() + "\x00\x00\x01\x01\x04\x00\x00\x00\x00\x82", protocolHTTP},
		"a frame too large":   {preface().String() + "\x7f\xff\xff\x00\x00\x00\x00\x00\x01", protocolHTTP},
		"headers not HPACK":   {preface().String() + "\x00\x00\x02\x01\x04\x00\x00\x00\x01\xff\xff", protocolHTTP},
		"a second preface":    {http2.ClientPreface + http2.ClientPreface, protocolHTTP},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, result := dialog(t)
			_, err := client.Write([]byte(c.sent))
			require.NoError(t, err)
			got := <-result
			require.NoError(t, got.err)
			require.Equal(t, c.want, got.protocol)
			require.Equal(t, c.sent, got.replay)
		})
	}
}

// Goal: where the bytes are cut does not matter. Method: a gRPC client's beginning byte by byte, over a pipe that hands
// each over alone; the client acknowledges when it is asked to.
func TestSortsByteByByte(t *testing.T) {
	client, answers, result := dialog(t)
	begin, rest := preface(), &wire{}
	rest.framer, rest.hpack = http2.NewFramer(rest, nil), hpack.NewEncoder(&rest.block)
	rest.request("application/grpc", 3)
	go func() {
		for _, b := range append(begin.Bytes(), rest.Bytes()...) {
			if _, err := client.Write([]byte{b}); err != nil {
				return
			}
		}
	}()
	frame, err := answers.ReadFrame()
	require.NoError(t, err)
	require.Zero(t, frame.(*http2.SettingsFrame).NumSettings())
	got := <-result
	require.NoError(t, got.err)
	require.Equal(t, protocolGRPC, got.protocol)
	require.Equal(t, begin.String()+rest.String(), got.replay)
}

// Goal: a client that waits for the server's SETTINGS gets them, may ping for as long as it likes, and the server that
// takes over sees neither the acknowledgement nor the pings. Method: play such a client, with a day between its frames.
func TestClientThatWaits(t *testing.T) {
	for contentType, want := range map[string]protocol{"application/grpc": protocolGRPC, "application/json": protocolHTTP} {
		t.Run(contentType, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, answers, result := dialog(t)
				sent := preface()
				send := func(p []byte) {
					_, err := client.Write(p)
					require.NoError(t, err)
				}
				send(sent.Bytes())
				frame, err := answers.ReadFrame()
				require.NoError(t, err)
				require.False(t, frame.(*http2.SettingsFrame).IsAck())

				before := sent.Len()
				sent.add(ack)
				send(sent.Bytes()[before:])
				sent.Truncate(before)
				for range 3 {
					<-time.After(24 * time.Hour)
					sent.add(ping)
					send(sent.Bytes()[before:])
					sent.Truncate(before)
					frame, err = answers.ReadFrame()
					require.NoError(t, err)
					require.True(t, frame.(*http2.PingFrame).IsAck())
					require.EqualValues(t, 8, frame.(*http2.PingFrame).Data[7])
				}
				sent.request(contentType, 1)
				send(sent.Bytes()[before:])
				got := <-result
				require.NoError(t, got.err)
				require.Equal(t, want, got.protocol)
				require.Equal(t, sent.String(), got.replay)
			})
		})
	}
}

// Goal: net/http never sees an acknowledgement of SETTINGS that it did not send, nor loses a byte for it. Method: a
// client whose request and data are on their way before it sees our SETTINGS.
func TestLateAcknowledgementIsTakenOut(t *testing.T) {
	client, answers, result := dialog(t)
	sent := preface()
	_, err := client.Write(sent.Bytes())
	require.NoError(t, err)
	_, err = answers.ReadFrame()
	require.NoError(t, err)
	before := sent.Len()
	sent.request("application/json", 1).add(func(f *http2.Framer) error { return f.WriteData(1, false, []byte("{}")) })
	_, err = client.Write(sent.Bytes()[before:])
	require.NoError(t, err)
	before = sent.Len()
	sent.add(ack)
	require.Empty(t, result)
	_, err = client.Write(sent.Bytes()[before:])
	require.NoError(t, err)
	got := <-result
	require.NoError(t, got.err)
	require.Equal(t, protocolHTTP, got.protocol)
	require.Equal(t, sent.String()[:before], got.replay)
}

// Goal: a client that never acknowledges is served all the same, a little later. Method: send a request without, in
// fake time.
func TestMissingAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, answers, result := dialog(t)
		sent := preface()
		_, err := client.Write(sent.Bytes())
		require.NoError(t, err)
		_, err = answers.ReadFrame()
		require.NoError(t, err)
		before, begin := sent.Len(), time.Now()
		sent.request("application/json", 1)
		_, err = client.Write(sent.Bytes()[before:])
		require.NoError(t, err)
		got := <-result
		require.NoError(t, got.err)
		require.Equal(t, sent.String(), got.replay)
		require.Equal(t, acknowledgeTimeout, time.Since(begin))
	})
}

// Goal: what a client may make us keep is bounded. Method: send frames that mean nothing, without end.
func TestReplayIsBounded(t *testing.T) {
	client, answers, result := dialog(t)
	go func() {
		_, _ = answers.ReadFrame()
		_, _ = io.Copy(io.Discard, client)
	}()
	sent := preface()
	_, err := client.Write(sent.Bytes())
	require.NoError(t, err)
	sent.Reset()
	sent.add(func(f *http2.Framer) error {
		return f.WriteRawFrame(0xfa, 0, 0, bytes.Repeat([]byte{1}, frameBytesMax))
	})
	go func() {
		for {
			if _, err := client.Write(sent.Bytes()); err != nil {
				return
			}
		}
	}()
	got := <-result
	require.NoError(t, got.err)
	require.Equal(t, protocolHTTP, got.protocol)
	require.LessOrEqual(t, len(got.replay), replayBytesMax+2*frameBytesMax)
}

// Goal: headers that never end, and signs of life without end, cost a bounded memory and time: the connection is told why and ends.
// Method: empty CONTINUATION frames, and PINGs; the client reads what it is told.
func TestFloodBeforeTheFirstRequestEnds(t *testing.T) {
	pings := preface()
	for range pingsMax + 2 {
		pings.add(ping)
	}
	for name, c := range map[string]struct {
		sent   string
		repeat string
		want   error
	}{
		"continuations": {preface().String() + "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x83", strings.Repeat("\x00\x00\x00\x09\x00\x00\x00\x00\x01", 1000), errTooMuch},
		"pings":         {pings.String(), "", errTooManyPings},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, result := dialog(t)
			told := make(chan http2.ErrCode, 1)
			go func() {
				defer close(told)
				read := http2.NewFramer(io.Discard, client)
				for {
					frame, err := read.ReadFrame()
					if err != nil {
						return
					}
					if away, ok := frame.(*http2.GoAwayFrame); ok {
						told <- away.ErrCode
					}
				}
			}()
			go func() {
				_, err := io.WriteString(client, c.sent)
				for err == nil && c.repeat != "" {
					_, err = io.WriteString(client, c.repeat)
				}
			}()
			require.ErrorIs(t, (<-result).err, c.want)
			require.Equal(t, http2.ErrCodeEnhanceYourCalm, <-told)
		})
	}
}

// Goal: a client that leaves at any point is noticed. Method: cut a gRPC client's beginning everywhere.
func TestClientThatLeaves(t *testing.T) {
	whole := preface().request("application/grpc", 2).String()
	for cut := range len(whole) {
		client, _, result := dialog(t)
		go func() { _, _ = io.Copy(io.Discard, client) }()
		_, err := client.Write([]byte(whole[:cut]))
		require.NoError(t, err)
		require.NoError(t, client.Close())
		got := <-result
		require.Error(t, got.err, "after %d bytes", cut)
	}
}

// Goal: no bytes make the reader fail in any way but its own, and none of them get lost. Method: fuzz what a client
// sends before it closes; unless it holds what is taken out, the replay is a beginning of it, or all.
func FuzzSniff(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(preface().request("application/grpc", 2).Bytes())
	f.Add(preface().add(ping).add(ack).request("application/json", 1).Bytes())
	f.Add([]byte(http2.ClientPreface + "\x00\x00\x02\x01\x04\x00\x00\x00\x01\xff\xff"))
	f.Add(preface().add(func(f *http2.Framer) error { return f.WritePing(true, [8]byte{}) }).Bytes())
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn := &recording{in: bytes.NewReader(sent)}
		_, replay, err := sniff(conn)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(conn.in)
		seen := string(replay) + string(rest)
		if conn.out.Len() == 0 {
			require.Equal(t, string(sent), seen)
		} else {
			require.LessOrEqual(t, len(seen), len(sent))
			require.True(t, strings.HasPrefix(seen, http2.ClientPreface))
		}
	})
}

// recording is a connection that reads from in and writes to out.
type recording struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (r *recording) Read(p []byte) (int, error)       { return r.in.Read(p) }
func (r *recording) Write(p []byte) (int, error)      { return r.out.Write(p) }
func (r *recording) SetDeadline(time.Time) error      { return nil }
func (r *recording) SetReadDeadline(time.Time) error  { return nil }
func (r *recording) SetWriteDeadline(time.Time) error { return nil }
