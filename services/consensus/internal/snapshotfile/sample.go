package snapshotfile

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Sample is a version somewhere in the file.
type Sample struct {
	Revision int64
	Key      []byte
}

const (
	// sampleTries is how many pages are looked at for one that begins with a version: others have the rest of one that is long.
	sampleTries = 16
	// A leaf page of bbolt's has a header of its number, 8 bytes, the flag leafPage, 2 bytes, and how many records it has, 2 bytes. Then each record has an element:
	// its flags, how far behind that its key is, and how long key and value are, which follow one another: 4 bytes each.
	leafPage, leafElementBytes = 0x02, 16
)

// sample looks at pages here and there, about so many of them, for versions. Some may be there no more, in pages that are no longer in use.
func sample(tx *bbolt.Tx, n int) (samples []Sample) {
	file, pageBytes := mapped(tx), tx.DB().Info().PageSize
	pages := len(file) / pageBytes
	for i := range n {
		at := int(int64(i) * int64(pages) / int64(n))
		for number := at; number < min(at+sampleTries, pages); number++ {
			if s, ok := sampleOf(file[number*pageBytes:], number); ok {
				samples = append(samples, s)
				break
			}
		}
	}
	release(file)
	return samples
}

// sampleOf returns the version in the middle of the page that the bytes begin with, if it is one of versions.
func sampleOf(b []byte, number int) (Sample, bool) {
	if len(b) < pageHeaderBytes || binary.LittleEndian.Uint64(b) != uint64(number) || binary.LittleEndian.Uint16(b[8:]) != leafPage {
		return Sample{}, false
	}
	at := uint64(pageHeaderBytes + int(binary.LittleEndian.Uint16(b[10:])/2)*leafElementBytes)
	if at+leafElementBytes > uint64(len(b)) {
		return Sample{}, false
	}
	key := at + uint64(binary.LittleEndian.Uint32(b[at+4:]))
	value := key + uint64(binary.LittleEndian.Uint32(b[at+8:]))
	end := value + uint64(binary.LittleEndian.Uint32(b[at+12:]))
	if end > uint64(len(b)) {
		return Sample{}, false
	}
	var kv mvccpb.KeyValue
	v, err := readVersion(b[key:value], b[value:end], &kv)
	if err != nil || len(kv.GetKey()) == 0 {
		return Sample{}, false
	}
	return Sample{Revision: v.KV.GetModRevision(), Key: bytes.Clone(kv.GetKey())}, true
}
