package parallelbcrypt

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// yield gives the processor to whoever else waits for it: goroutines of this process, whom the runtime lets go first, and other threads, its
// own and those of other processes, which the kernel would let wait until a time slice of some milliseconds is used up.
func yield() {
	runtime.Gosched()
	_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // it cannot fail
}
