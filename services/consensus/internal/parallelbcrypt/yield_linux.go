package parallelbcrypt

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// yielder lets others have the processor in between. It is of one goroutine.
//
// The runtime's own yield is not enough: it comes back as soon as no goroutine is ready, without a look at the network, which nobody else
// looks at either while all processors compute. So whoever computes becomes ready by the network himself, behind all that came before.
//
// What other processes compute is not ours, and has no end: each time that they are given the processor they keep it for a time slice of
// theirs, and a comparison has a thousand rounds. So they are given half of the time at most; the rest they get from the kernel, as others do.
type yielder struct {
	// give has the kernel look for other threads. Since began that took given.
	give  func()
	began time.Time
	given time.Duration
	// A pipe, nil where there are no descriptors left: then the network is looked at when the runtime does.
	out, in *os.File
	wait    syscall.RawConn
}

func newYielder() *yielder {
	y := &yielder{began: time.Now(), give: func() {
		_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // it cannot fail
	}}
	out, in, err := os.Pipe()
	if err != nil {
		return y
	}
	wait, err := out.SyscallConn()
	if err != nil {
		_, _ = out.Close(), in.Close()
		return y
	}
	y.out, y.in, y.wait = out, in, wait
	return y
}

// yield gives the processor to whoever else waits for it: goroutines of this process, those that the network has something for, and other
// threads, its own and those of other processes, which the kernel would let wait until a time slice of some milliseconds is used up; to
// these half of the time at most.
func (y *yielder) yield() {
	runtime.Gosched()
	if now := time.Now(); y.given <= now.Sub(y.began)/2 {
		y.give()
		y.given += time.Since(now)
	}
	if y.wait == nil {
		return
	}
	var one [1]byte
	written := false
	_ = y.wait.Read(func(fd uintptr) (done bool) {
		if written {
			_, _ = unix.Read(int(fd), one[:])
			return true
		}
		_, err := y.in.Write(one[:])
		written = true
		return err != nil // nothing to wait for
	})
}

func (y *yielder) close() {
	if y.wait != nil {
		_, _ = y.out.Close(), y.in.Close()
	}
}
