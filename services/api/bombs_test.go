package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/metadata"
)

// Goal: a compressed message is decompressed no further than a message may go ("two megabytes keep a core busy for seconds").
// Method: gzip of 64 MiB of zeros, over Connect and gRPC-Web, which must be refused before its end is found; one that just fits is
// taken.
func TestCompressedRequestsAreDecompressedToTheLimit(t *testing.T) {
	s := serve(t, fakeServices(), nil)
	compressed := func(message io.Reader) *bytes.Buffer {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := io.Copy(w, message)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return &packed
	}
	send := func(kind string, body io.Reader, headers ...string) string {
		request, err := http.NewRequestWithContext(within(t), http.MethodPost, "http://"+s.address+"/etcdserverpb.KV/Put", body)
		require.NoError(t, err)
		request.Header.Set("Content-Type", kind)
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		told, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(told) + answer.Header.Get("Grpc-Message")
	}
	zeros := func(n int64) io.Reader { return io.LimitReader(zero{}, n) }
	const bomb = 64 << 20
	told := send("application/proto", compressed(zeros(bomb)), "Content-Encoding", "gzip")
	require.Contains(t, told, "resource_exhausted")
	require.Contains(t, told, "unable to determine message size")

	packed := compressed(zeros(bomb))
	head := []byte{1, 0, 0, 0, 0}
	head[1], head[2], head[3], head[4] = byte(packed.Len()>>24), byte(packed.Len()>>16), byte(packed.Len()>>8), byte(packed.Len())
	told = send("application/grpc-web+proto", io.MultiReader(bytes.NewReader(head), packed), "Grpc-Encoding", "gzip")
	require.Contains(t, told, "unable to determine message size")

	key := "\n\x01k\x12\x80\x80\x40" // and a value of a MiB
	told = send("application/proto", compressed(io.MultiReader(strings.NewReader(key), zeros(1<<20))), "Content-Encoding", "gzip")
	require.NotContains(t, told, "resource_exhausted")
}

// zero yields zeros.
type zero struct{}

func (zero) Read(into []byte) (int, error) {
	clear(into)
	return len(into), nil
}

// Goal: a call's headers are bounded by a MiB over gRPC too: thousands of values take a few bytes each on the wire, and are kept as
// long as the call. Method: headers below and above.
func TestHeadersOfCallsAreBounded(t *testing.T) {
	s := serve(t, fakeServices(), nil)
	kv := etcdserverpb.NewKVClient(dial(t, s.address))
	call := func(values int) error {
		headers := metadata.MD{"x": slices.Repeat([]string{strings.Repeat("v", 1000)}, values)}
		_, err := kv.Range(metadata.NewOutgoingContext(within(t), headers), &etcdserverpb.RangeRequest{Key: []byte("k")})
		return err
	}
	require.NoError(t, call(10))
	require.Error(t, call(2000))
}
