package externalsort

import "syscall"

// takeSlab returns memory that is none of the garbage collector's, which would let as much garbage gather beside it. Its pages are large ones where
// they can be had, as it is filled from one end to the other: each small one would interrupt the goroutine that fills it.
func takeSlab(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return make([]byte, size)
	}
	_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) // it costs time where it fails, and nothing else
	return b
}

// giveSlab gives memory of takeSlab's back, of which nothing is in use any more.
func giveSlab(b []byte) { _ = syscall.Munmap(b) } // it fails for what was made otherwise
