package api

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// textCall posts a body of gRPC-Web's text mode.
func textCall(t *testing.T, client *http.Client, url string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(within(t), http.MethodPost, url, body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/grpc-web-text")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// enveloped is a message as gRPC-Web sends it.
func enveloped(t *testing.T, message proto.Message) []byte {
	t.Helper()
	encoded, err := proto.Marshal(message)
	require.NoError(t, err)
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(encoded))), encoded...)
}

// groups decodes as gRPC-Web's JavaScript library does: each group of four letters by itself, whether padded or not.
type groups struct {
	letters io.Reader
	ready   []byte
}

func (g *groups) Read(into []byte) (int, error) {
	for len(g.ready) == 0 {
		var group [4]byte
		if _, err := io.ReadFull(g.letters, group[:]); err != nil {
			return 0, err
		}
		plain, err := base64.StdEncoding.DecodeString(string(group[:]))
		if err != nil {
			return 0, err
		}
		g.ready = plain
	}
	n := copy(into, g.ready)
	g.ready = g.ready[n:]
	return n, nil
}

// frame reads one message of an answer, with its flags.
func frame(t *testing.T, decoded io.Reader) (byte, []byte) {
	t.Helper()
	var head [5]byte
	_, err := io.ReadFull(decoded, head[:])
	require.NoError(t, err)
	body := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err = io.ReadFull(decoded, body)
	require.NoError(t, err)
	return head[0], body
}

// requireOK reads the trailers of an answer, which are its last frame, and its end.
func requireOK(t *testing.T, decoded io.Reader) {
	t.Helper()
	flags, trailers := frame(t, decoded)
	require.EqualValues(t, 0x80, flags)
	require.Contains(t, string(trailers), "grpc-status: 0\r\n")
	_, err := decoded.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// Goal: a browser's gRPC-Web client in its text mode gets answers ("415 for application/grpc-web-text"). Method: a range by each version of
// HTTP, with every name of the mode, its request in one piece of base64 and in pieces of one byte with padding each.
func TestWebText(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), nil).address + "/etcdserverpb.KV/Range"
	request := enveloped(t, &etcdserverpb.RangeRequest{Key: []byte("foo")})
	whole := base64.StdEncoding.EncodeToString(request)
	var pieces strings.Builder
	for _, b := range request {
		pieces.WriteString(base64.StdEncoding.EncodeToString([]byte{b}))
	}
	for name, c := range map[string]struct{ kind, accept, body, answer string }{
		"bare":            {"application/grpc-web-text", "", whole, "application/grpc-web-text"},
		"proto":           {"application/grpc-web-text+proto", "application/grpc-web-text", whole, "application/grpc-web-text+proto"},
		"upper case":      {"Application/gRPC-Web-Text+Proto; charset=utf-8", "", whole, "application/grpc-web-text+proto"},
		"encoding named":  {"application/grpc-web-text-base64", "", whole, "application/grpc-web-text"},
		"padded pieces":   {"application/grpc-web-text", "", pieces.String(), "application/grpc-web-text"},
		"only the answer": {"application/grpc-web+proto", "application/grpc-web-text", string(request), "application/grpc-web-text+proto"},
	} {
		for version, client := range map[string]*http.Client{"HTTP/1.1": h1(t), "HTTP/2": h2(t)} {
			t.Run(name+", "+version, func(t *testing.T) {
				answer := textCall(t, client, url, strings.NewReader(c.body), "Content-Type", c.kind, "Accept", c.accept, "Origin", "https://console.example")
				require.Equal(t, http.StatusOK, answer.StatusCode)
				require.Equal(t, c.answer, answer.Header.Get("Content-Type"))
				require.Equal(t, "*", answer.Header.Get("Access-Control-Allow-Origin"))
				require.Contains(t, answer.Header.Get("Access-Control-Expose-Headers"), "Grpc-Status")
				decoded := &groups{letters: answer.Body}
				_, body := frame(t, decoded)
				got := new(etcdserverpb.RangeResponse)
				require.NoError(t, proto.Unmarshal(body, got))
				require.Equal(t, "foo", string(got.GetKvs()[0].GetKey()))
				requireOK(t, decoded)
			})
		}
	}
	t.Run("another encoding", func(t *testing.T) {
		for _, kind := range []string{"application/grpc-web-textual", "application/grpc-web-text+thrift"} {
			answer := textCall(t, h1(t), url, strings.NewReader(whole), "Content-Type", kind)
			require.Equal(t, http.StatusUnsupportedMediaType, answer.StatusCode)
		}
	})
}

// pausingKV sends each chunk of a RangeStream once the test lets it.
type pausingKV struct {
	fakeKV
	next chan struct{}
}

func (p pausingKV) RangeStream(r *etcdserverpb.RangeRequest, stream grpc.ServerStreamingServer[etcdserverpb.RangeStreamResponse]) error {
	for i := range 3 {
		select {
		case <-p.next:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
		chunk := &etcdserverpb.RangeResponse{Count: int64(i + 1), More: i%2 == 0}
		if err := stream.Send(&etcdserverpb.RangeStreamResponse{RangeResponse: chunk}); err != nil {
			return err
		}
	}
	return nil
}

// Goal: each message of a stream reaches the client when it is sent, whatever its length, and not with the one after it.
// Method: a server that sends the next chunk only when the test has decoded the one before.
func TestWebTextStreamsInPieces(t *testing.T) {
	services, next := fakeServices(), make(chan struct{}, 1)
	services.KV = pausingKV{next: next}
	url := "http://" + serve(t, services, nil).address + "/etcdserverpb.KV/RangeStream"
	request := base64.StdEncoding.EncodeToString(enveloped(t, &etcdserverpb.RangeRequest{Key: []byte("foo")}))
	for version, client := range map[string]*http.Client{"HTTP/1.1": h1(t), "HTTP/2": h2(t)} {
		t.Run(version, func(t *testing.T) {
			next <- struct{}{} // the head of the answer comes with the first message
			answer := textCall(t, client, url, strings.NewReader(request))
			decoded := &groups{letters: answer.Body}
			for i := range 3 {
				if i > 0 {
					next <- struct{}{}
				}
				_, body := frame(t, decoded)
				got := new(etcdserverpb.RangeStreamResponse)
				require.NoError(t, proto.Unmarshal(body, got))
				require.EqualValues(t, i+1, got.GetRangeResponse().GetCount())
			}
			requireOK(t, decoded)
		})
	}
}

// Goal: a stream both ways takes requests as they come, cut anywhere. Method: a watch over HTTP/2, one letter a write.
func TestWebTextWatch(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), nil).address + "/etcdserverpb.Watch/Watch"
	letters := base64.StdEncoding.EncodeToString(enveloped(t, create(9)))
	body, send := io.Pipe()
	said := make(chan error, 1)
	go func() {
		for i := range letters {
			if _, err := io.WriteString(send, letters[i:i+1]); err != nil {
				said <- err
				return
			}
		}
		said <- nil
	}()
	answer := textCall(t, h2(t), url, body)
	require.NoError(t, <-said)
	decoded := &groups{letters: answer.Body}
	_, message := frame(t, decoded)
	created := new(etcdserverpb.WatchResponse)
	require.NoError(t, proto.Unmarshal(message, created))
	require.EqualValues(t, 9, created.GetWatchId())
	require.NoError(t, send.Close())
	requireOK(t, decoded)
}

// Goal: what is no base64, ends too early or is too large is refused with a reason, and a body is read no further than one message may
// go. Method: a table of bodies.
func TestWebTextRefusals(t *testing.T) {
	url := "http://" + serve(t, fakeServices(), func(cfg *Config) { cfg.MaxRequestBytes = 1000 }).address + "/etcdserverpb.KV/Put"
	whole := base64.StdEncoding.EncodeToString(enveloped(t, &etcdserverpb.PutRequest{Key: []byte("foo")}))
	require.Len(t, whole, 16)
	// Its envelope promises 4 GB, of which as much comes as is read.
	endless := io.MultiReader(strings.NewReader(base64.StdEncoding.EncodeToString([]byte{0, 0xff, 0xff, 0xff, 0xff, 0})), repeated("AAAA"))
	for name, c := range map[string]struct {
		body   io.Reader
		code   connect.Code
		reason string
	}{
		"wrong letter":     {strings.NewReader(whole[:9] + "*" + whole[10:]), connect.CodeInvalidArgument, "the body is not base64 at letter 10"},
		"line break":       {strings.NewReader(whole[:8] + "\r\n" + whole[8:] + "AA"), connect.CodeInvalidArgument, "the body is not base64 at letter 9"},
		"letters of URLs":  {strings.NewReader("_-__" + whole), connect.CodeInvalidArgument, "the body is not base64 at letter 1"},
		"padding too soon": {strings.NewReader("A===" + whole), connect.CodeInvalidArgument, "the body is not base64 at letter 2"},
		"cut":              {strings.NewReader(whole[:14]), connect.CodeInvalidArgument, "the body of base64 ends within a group of 4 letters, at letter 14"},
		"binary":           {strings.NewReader("\x00\x00\x00\x00\x05\n\x03foo"), connect.CodeInvalidArgument, "the body is not base64 at letter 1"},
		"half a message":   {strings.NewReader(whole[:12]), connect.CodeInternal, "promised 5 bytes in enveloped message, got 4 bytes"},
		"too large":        {endless, connect.CodeResourceExhausted, "the body is larger than one message may be"},
	} {
		t.Run(name, func(t *testing.T) {
			// Over HTTP/2 a refusal does not wait for the body's end.
			answer := textCall(t, h2(t), url, c.body)
			require.Equal(t, http.StatusOK, answer.StatusCode)
			require.Equal(t, strconv.Itoa(int(c.code)), answer.Header.Get("Grpc-Status"), answer.Header)
			require.Contains(t, answer.Header.Get("Grpc-Message"), c.reason)
		})
	}
}

// repeated yields a text again and again.
type repeated string

func (r repeated) Read(into []byte) (int, error) {
	n := 0
	for len(into)-n >= len(r) {
		n += copy(into[n:], r)
	}
	return n, nil
}
