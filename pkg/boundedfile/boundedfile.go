// Package boundedfile reads files that a flag names: keys, certificates, policies. A name that is mistyped may be a device that
// has no end.
package boundedfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// bytesMax is above what any file of keys has: a revocation list of a large authority has some ten million bytes.
const bytesMax = 64 << 20

// Read returns what a file holds, and an error if that is more than 64 MiB.
func Read(name string) ([]byte, error) { return ReadUpTo(name, bytesMax) }

// ReadUpTo is Read with a bound of its own.
func ReadUpTo(name string, bytes int) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, int64(bytes)+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(content) > bytes {
		return nil, fmt.Errorf("%s has more than %d bytes, which no such file has: is it another one?", name, bytes)
	}
	return content, nil
}
