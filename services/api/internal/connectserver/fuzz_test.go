package connectserver

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// FuzzTextReader: whatever a body of grpc-web-text has, and however it comes, reading it ends; what comes out is what the library's
// decoder says of one piece, and never more than may follow.
func FuzzTextReader(f *testing.F) {
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte("hello, world"))), int64(100))
	f.Add([]byte("aGVsbG8=d29ybGQ="), int64(8))
	f.Add([]byte("aGVs\r\nbG8="), int64(-1))
	f.Add([]byte("===="), int64(3))
	f.Fuzz(func(t *testing.T, body []byte, left int64) {
		r := &textReader{ReadCloser: io.NopCloser(iotest.OneByteReader(bytes.NewReader(body))), left: left}
		decoded, err := io.ReadAll(r)
		if left >= 0 {
			require.LessOrEqual(t, int64(len(decoded)), left)
		}
		whole := &textReader{ReadCloser: io.NopCloser(bytes.NewReader(body)), left: -1}
		same, whyNot := io.ReadAll(whole)
		if err == nil {
			require.NoError(t, whyNot)
			require.Equal(t, same, decoded)
		}
		if want, wrong := base64.StdEncoding.DecodeString(string(body)); wrong == nil && !strings.ContainsAny(string(body), "\r\n") {
			require.NoError(t, whyNot)
			require.Equal(t, want, same)
		}
	})
}

// FuzzInflate: whatever a compressed message has, decompressing it ends, and gives no more than its bound.
func FuzzInflate(f *testing.F) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(make([]byte, 1<<16))
	_ = w.Close()
	f.Add(packed.Bytes(), int64(1000))
	f.Add(packed.Bytes()[:20], int64(1<<20))
	f.Fuzz(func(t *testing.T, body []byte, bytesMax int64) {
		bytesMax = min(max(bytesMax, 0), 1<<20)
		i := &inflater{max: bytesMax}
		if i.Reset(bytes.NewReader(body)) != nil {
			return
		}
		n, _ := io.Copy(io.Discard, i)
		require.LessOrEqual(t, n, bytesMax)
	})
}
