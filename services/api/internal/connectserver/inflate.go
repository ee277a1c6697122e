package connectserver

import (
	"compress/gzip"
	"errors"
	"io"

	"connectrpc.com/connect"
)

// errInflated ends the decompression of a message that is larger than any may be.
var errInflated = errors.New("nothing of it is decompressed beyond that")

// inflater is gzip's decompressor, which stops beyond a limit. Connect refuses what is too large, but decompresses it to the end
// first to say how large it is: two megabytes of a client's would cost seconds.
type inflater struct {
	gzip.Reader
	max, left int64
}

var _ connect.Decompressor = (*inflater)(nil)

// Reset implements connect.Decompressor.
func (i *inflater) Reset(from io.Reader) error {
	i.left = i.max
	return i.Reader.Reset(from)
}

// Read implements connect.Decompressor.
func (i *inflater) Read(into []byte) (int, error) {
	if i.left <= 0 {
		return 0, errInflated
	}
	n, err := i.Reader.Read(into[:min(int64(len(into)), i.left)])
	i.left -= int64(n)
	return n, err
}

// withGzip takes compressed messages of up to so many bytes once they are decompressed.
func withGzip(receiveBytesMax int) connect.HandlerOption {
	return connect.WithCompression("gzip",
		// One byte more, by which Connect sees that a message is too large.
		func() connect.Decompressor { return &inflater{max: int64(receiveBytesMax) + 1} },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) },
	)
}
