package logstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	blobPrefix   = 'b'
	entryPrefix  = 'e'
	entryKeySize = 1 + 8
	checksumSize = 4
)

var (
	confStateKey = []byte{'c'}
	hardStateKey = []byte{'h'}
	identityKey  = []byte{'i'}
	truncatedKey = []byte{'t'}
	versionKey   = []byte{'v'}

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// layoutVersion is stored under versionKey; Open refuses any other.
const layoutVersion = 1

// entryKey is where the entry at index lives: entryKey(258) = "e\x00\x00\x00\x00\x00\x00\x01\x02".
func entryKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{entryPrefix}, index)
}

func entryIndex(key []byte) (uint64, error) {
	if len(key) != entryKeySize || key[0] != entryPrefix {
		return 0, fmt.Errorf("%w: unexpected key %x", ErrCorrupt, key)
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

func blobKey(name string) []byte {
	return append([]byte{blobPrefix}, name...)
}

// checksum covers the key too, so that a value found under another key is noticed.
func checksum(key, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload)
}

// seal puts the checksum in front of a payload: seal("h", "x") = crc32c("hx") little endian, 'x'.
func seal(key, payload []byte) []byte {
	value := make([]byte, checksumSize, checksumSize+len(payload))
	binary.LittleEndian.PutUint32(value, checksum(key, payload))
	return append(value, payload...)
}

// unseal returns the payload of a sealed value, in the same memory.
func unseal(key, value []byte) ([]byte, error) {
	if len(value) < checksumSize {
		return nil, fmt.Errorf("%w: value of key %x has %d bytes", ErrCorrupt, key, len(value))
	}
	payload := value[checksumSize:]
	if binary.LittleEndian.Uint32(value) != checksum(key, payload) {
		return nil, fmt.Errorf("%w: checksum of key %x does not match", ErrCorrupt, key)
	}
	return payload, nil
}

// packPair encodes two numbers: ids, or an index and its term.
func packPair(a, b uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a), b)
}

func unpackPair(key, payload []byte) (a, b uint64, err error) {
	if len(payload) != 16 {
		return 0, 0, fmt.Errorf("%w: key %x holds %d bytes, not a pair", ErrCorrupt, key, len(payload))
	}
	return binary.BigEndian.Uint64(payload), binary.BigEndian.Uint64(payload[8:]), nil
}

// putEntryKey is entryKey in place.
func putEntryKey(dst []byte, index uint64) {
	dst[0] = entryPrefix
	binary.BigEndian.PutUint64(dst[1:], index)
}

// putChecksum seals in place a value whose payload is already behind the room for the checksum.
func putChecksum(value, key []byte) {
	binary.LittleEndian.PutUint32(value, checksum(key, value[checksumSize:]))
}
