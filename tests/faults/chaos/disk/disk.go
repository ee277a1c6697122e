package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/quoratedb/quorate/tests/faults/chaos/sandbox"
)

// Disk is one file system. Its methods may be called by any number of goroutines, but for Close.
type Disk struct {
	size   int64
	device string // where its files really are
	path   string
	gate   *gate
}

// requestBytesMax is the largest read or write that passes in one piece.
const requestBytesMax = 1 << 20

// New makes a disk of a size in a folder, which must not exist yet. One that is not held passes nothing through this program, and cannot be
// slowed or stalled.
func New(dir string, bytes int64, held bool) (*Disk, error) {
	d := &Disk{size: bytes, device: filepath.Join(dir, "device"), path: filepath.Join(dir, "device"), gate: &gate{}}
	if err := os.MkdirAll(d.device, 0o755); err != nil {
		return nil, err
	}
	if err := sandbox.Tmpfs(d.device, bytes); err != nil {
		return nil, err
	}
	if !held {
		return d, nil
	}
	d.path = filepath.Join(dir, "disk")
	if err := d.hold(); err != nil {
		return nil, errors.Join(fmt.Errorf("mount %s: %w", d.path, err), unix.Unmount(d.device, unix.MNT_DETACH))
	}
	return d, nil
}

// hold puts the gate between the files and those who use them. It mounts by itself so that processes which this program starts do not
// inherit the file that requests come through: a process that waits for itself cannot be killed.
func (d *Disk) hold() error {
	if err := os.Mkdir(d.path, 0o755); err != nil {
		return err
	}
	root, err := fs.NewLoopbackRoot(d.device)
	if err != nil {
		return err
	}
	// Nothing is remembered of names and sizes, because Wipe and its like change the files behind the kernel's back.
	files := &gated{RawFileSystem: fs.NewNodeFS(root, &fs.Options{}), gate: d.gate}
	requests, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=0,group_id=0,max_read=%d", requests, unix.S_IFDIR, requestBytesMax)
	if err := unix.Mount("disk", d.path, "fuse.disk", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		unix.Close(requests)
		return err
	}
	server, err := fuse.NewServer(files, fmt.Sprintf("/dev/fd/%d", requests), &fuse.MountOptions{DisableXAttrs: true, MaxWrite: requestBytesMax})
	if err != nil {
		return errors.Join(err, unix.Close(requests))
	}
	go server.Serve() // until nobody sees the file system any more
	return server.WaitMount()
}

// Path is the folder that is the disk.
func (d *Disk) Path() string { return d.path }

// Files is where the program itself finds the same files, held up by nothing. Nobody else may use a file that is changed there.
func (d *Disk) Files() string { return d.device }

// Fill leaves next to no room, room bytes, until Free.
func (d *Disk) Fill(room int64) error {
	used, err := sandbox.Used(d.device)
	if err != nil {
		return err
	}
	return sandbox.Resize(d.device, used+room)
}

// Free gives the room back that Fill took.
func (d *Disk) Free() error { return sandbox.Resize(d.device, d.size) }

// Stall has every write and sync wait until Resume.
func (d *Disk) Stall() { d.gate.close() }

// Slow has every write and sync take so much longer, until Resume.
func (d *Disk) Slow(by time.Duration) { d.gate.delay(by) }

// Resume undoes Stall and Slow.
func (d *Disk) Resume() { d.gate.open() }

// BreakOff has the writes fail that wait for the end of a stall, so that a process which was killed amid one can end.
func (d *Disk) BreakOff() { d.gate.breakOff() }

// Close gives the disk back once all that use it have ended.
func (d *Disk) Close() error {
	d.Resume()
	var err error
	if d.path != d.device {
		err = unix.Unmount(d.path, unix.MNT_DETACH)
	}
	return errors.Join(err, unix.Unmount(d.device, unix.MNT_DETACH))
}
