package connectserver

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"connectrpc.com/connect"
)

// lettersInGroup is how many letters of base64 stand for three bytes.
const lettersInGroup = 4

// textReader decodes the body of a request in pieces of base64. It holds a few kilobytes, and returns what it has once a group is
// complete: a client that streams waits for answers in between. It belongs to one goroutine.
type textReader struct {
	io.ReadCloser
	// left is how many decoded bytes may follow, below zero for any number.
	left int64
	// raw[:held] was read and is not decoded, less than a group between reads.
	raw  [4096]byte
	held int
	// ready was decoded, into decoded, and is not taken.
	decoded [3072]byte
	ready   []byte
	// passed is how many letters were decoded, to say where one is wrong.
	passed int64
	// err is why nothing follows after ready.
	err error
}

// Read implements io.Reader. Its errors but io.EOF are for the client to see.
func (r *textReader) Read(into []byte) (int, error) {
	for len(r.ready) == 0 && len(into) > 0 {
		if r.err != nil {
			return 0, r.err
		}
		n, err := r.ReadCloser.Read(r.raw[r.held:])
		r.held += n
		if r.err = r.decode(); r.err == nil {
			r.err = r.ended(err)
		}
	}
	n := copy(into, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// decode makes ready what of raw is complete.
func (r *textReader) decode() error {
	letters := r.raw[:r.held-r.held%lettersInGroup]
	size := 0
	for len(letters) > 0 {
		// Padding ends a piece, and only then may another begin.
		piece := letters
		if padding := bytes.IndexRune(letters, base64.StdPadding); padding >= 0 {
			piece = letters[:padding-padding%lettersInGroup+lettersInGroup]
		}
		n, err := base64.StdEncoding.Decode(r.decoded[size:], piece)
		size += n
		r.ready = r.decoded[:size]
		if wrong := firstWrong(piece, err); wrong >= 0 {
			return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("the body is not base64 at letter %d", r.passed+int64(wrong)+1))
		}
		r.passed += int64(len(piece))
		letters = letters[len(piece):]
	}
	r.held = copy(r.raw[:], r.raw[r.held-r.held%lettersInGroup:r.held])
	if r.left >= 0 {
		if r.left -= int64(size); r.left < 0 {
			r.ready, r.left = nil, 0
			return connect.NewError(connect.CodeResourceExhausted, errors.New("the body is larger than one message may be"))
		}
	}
	return nil
}

// firstWrong returns which letter of a piece is wrong, below zero if none is. Line breaks are none of base64's here, though Go's
// decoder passes over them: they would shift the groups.
func firstWrong(piece []byte, decoding error) int {
	wrong := bytes.IndexAny(piece, "\r\n")
	var at base64.CorruptInputError
	if errors.As(decoding, &at) && (wrong < 0 || int(at) < wrong) {
		wrong = int(at)
	}
	return wrong
}

// ended is how the body goes on after its reader said err.
func (r *textReader) ended(err error) error {
	if errors.Is(err, io.EOF) && r.held > 0 {
		return connect.NewError(connect.CodeInvalidArgument,
			fmt.Errorf("the body of base64 ends within a group of %d letters, at letter %d", lettersInGroup, r.passed+int64(r.held)))
	}
	return err
}
