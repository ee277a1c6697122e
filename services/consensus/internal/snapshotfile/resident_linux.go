package snapshotfile

import "syscall"

// release gives back the memory in which a part of a file is seen; what is looked at again is seen again. Without that all of a file that is read
// once stays in memory until the end. It begins with a page.
func release(part []byte) {
	_ = syscall.Madvise(part, syscall.MADV_DONTNEED) // it costs memory where it fails, and nothing else
}
