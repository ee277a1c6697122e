package externalsort

import (
	"syscall"
	"unsafe"
)

// adviseLarge asks for large pages where memory is filled from one end to the other: each small one would interrupt the goroutine that fills it.
func adviseLarge(b []byte) {
	const huge = 2 << 20 // all that has other pages has larger ones, or none of these
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	skip := (huge - begin%huge) % huge
	if skip+huge > uintptr(len(b)) {
		return
	}
	n := (uintptr(len(b)) - skip) / huge * huge
	_ = syscall.Madvise(b[skip:][:n], syscall.MADV_HUGEPAGE) // it costs time where it fails, and nothing else
}
