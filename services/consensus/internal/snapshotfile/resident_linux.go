package snapshotfile

import (
	"syscall"
	"unsafe"

	"go.etcd.io/bbolt"
)

// release gives back the memory in which the file is seen; what is looked at again is seen again. Without that all of a file that is read
// once stays in memory until the end.
func (r *Reader) release(tx *bbolt.Tx) {
	data := tx.DB().Info().Data
	seen := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&data))), tx.Size())
	_ = syscall.Madvise(seen, syscall.MADV_DONTNEED) // it costs memory where it fails, and nothing else
}
