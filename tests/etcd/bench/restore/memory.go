package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// memoryBeside is what a restore takes at most beside twice its snapshot: what it keeps of it, and what it writes.
const memoryBeside = 256 << 20

// fetchMemory has a process of its own touch as much memory as a restore of a snapshot of so many bytes takes, which is free again then. A virtual
// machine's host may have taken back what nobody used, and gives it again to whoever touches it first, in their time: that would be any program's luck.
// The process is another one since what this one has had counts as the peak of what it starts.
func fetchMemory(ctx context.Context, snapshotBytes int64) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	said, err := exec.CommandContext(ctx, self, "-touch", strconv.FormatInt(2*snapshotBytes+memoryBeside, 10)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// touch touches so many bytes of memory, in large pages where they can be had, as a restore asks for them.
func touch(bytes int) error {
	b, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) // the kernel may have none
	for at := 0; at < len(b); at += os.Getpagesize() {
		b[at] = 1
	}
	return syscall.Munmap(b)
}
