package etcddir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// recordKind is walpb.Record's type.
type recordKind uint64

const (
	recordMetadata recordKind = iota + 1
	recordEntry
	recordState
	recordChecksum
	recordSnapshot
)

const (
	frameBytes  = 8
	sectorBytes = 512
)

// castagnoli is the polynomial of the log's checksums, and of a .snap file's.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is one of the log.
type record struct {
	kind recordKind
	crc  uint32
	data []byte
	// at is where its frame begins, dataAt where its data does.
	at, dataAt int64
}

// recordReader reads the records of a file.
type recordReader struct {
	r    io.Reader
	size int64
	// at is where the next frame begins, end where the one ends that was read last, and crc is that of all data so far.
	at, end int64
	crc     uint32
	buf     []byte
}

// next returns io.EOF behind the last record, errTorn where one is not whole, and ErrDamaged. The record's data is valid until the next call.
func (r *recordReader) next() (record, error) {
	var frame [frameBytes]byte
	switch _, err := io.ReadFull(r.r, frame[:]); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.end = r.size
		return record{}, errTorn
	case err != nil:
		r.end = r.size
		return record{}, err
	}
	r.end = r.at + frameBytes
	length := binary.LittleEndian.Uint64(frame[:])
	if length == 0 {
		return record{}, io.EOF
	}
	padding := int64(0)
	if length>>63 == 1 {
		padding = int64(length>>56) & 7
	}
	length &= 1<<56 - 1
	r.end += int64(length) + padding
	if r.end > r.size {
		r.end = r.size
		return record{}, errTorn
	}
	if int64(cap(r.buf)) < int64(length)+padding {
		r.buf = make([]byte, int64(length)+padding)
	}
	whole := r.buf[:int64(length)+padding]
	if _, err := io.ReadFull(r.r, whole); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errTorn
		}
		return record{}, err
	}
	rec, err := r.check(whole[:length])
	if err != nil && hasEmptySector(whole, r.at+frameBytes) {
		return record{}, errTorn
	}
	rec.at = r.at
	rec.dataAt = r.at + frameBytes + int64(length) - int64(len(rec.data)) // it is the last field
	r.at += int64(frameBytes + len(whole))
	return rec, err
}

// check decodes a record and compares checksums. A record of a checksum begins a new row of them.
func (r *recordReader) check(b []byte) (record, error) {
	rec, err := decodeRecord(b)
	switch {
	case err != nil:
		return rec, fmt.Errorf("%w: %w", ErrDamaged, err)
	case rec.kind != recordChecksum:
		r.crc = crc32.Update(r.crc, castagnoli, rec.data)
	case r.crc != 0 && r.crc != rec.crc:
		return rec, fmt.Errorf("%w: its checksum is %x, and the data before has %x", ErrDamaged, rec.crc, r.crc)
	default:
		r.crc = rec.crc
	}
	if rec.crc != r.crc {
		return rec, fmt.Errorf("%w: its checksum is %x, and the data has %x", ErrDamaged, rec.crc, r.crc)
	}
	return rec, nil
}

// decodeRecord decodes a walpb.Record.
func decodeRecord(b []byte) (record, error) {
	var rec record
	return rec, eachField(b, func(number protowire.Number, value uint64, data []byte) {
		switch number {
		case 1:
			rec.kind = recordKind(value)
		case 2:
			rec.crc = uint32(value)
		case 3:
			rec.data = data
		}
	})
}

// hasEmptySector tells whether a sector of the disk below a frame was never written.
func hasEmptySector(b []byte, at int64) bool {
	for len(b) > 0 {
		n := min(sectorBytes-at%sectorBytes, int64(len(b)))
		if len(bytes.Trim(b[:n], "\x00")) == 0 {
			return true
		}
		b, at = b[n:], at+n
	}
	return false
}

// eachField calls fn with the fields of a message: value of numbers, data of the others.
func eachField(b []byte, fn func(number protowire.Number, value uint64, data []byte)) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var value uint64
		var data []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		fn(number, value, data)
		b = b[n:]
	}
	return nil
}
