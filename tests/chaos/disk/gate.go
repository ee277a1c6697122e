package disk

import (
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// gate is what every write passes.
type gate struct {
	mu struct {
		sync.Mutex
		opened chan struct{} // closed while the gate is open
		by     time.Duration
	}
}

func newGate() *gate {
	g := &gate{}
	g.mu.opened = make(chan struct{})
	close(g.mu.opened)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.mu.opened:
		g.mu.opened = make(chan struct{})
	default:
	}
}

func (g *gate) delay(by time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.by = by
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.by = 0
	select {
	case <-g.mu.opened:
	default:
		close(g.mu.opened)
	}
}

// pass waits as long as the gate says, or until the caller was given a signal, which may be its end.
func (g *gate) pass(cancel <-chan struct{}) fuse.Status {
	g.mu.Lock()
	opened, by := g.mu.opened, g.mu.by
	g.mu.Unlock()
	select {
	case <-opened:
	case <-cancel:
		return fuse.EINTR
	}
	if by == 0 {
		return fuse.OK
	}
	timer := time.NewTimer(by)
	defer timer.Stop()
	select {
	case <-timer.C:
		return fuse.OK
	case <-cancel:
		return fuse.EINTR
	}
}

// gated has everything that changes a file system pass a gate first.
type gated struct {
	fuse.RawFileSystem
	gate *gate
}

// Write implements fuse.RawFileSystem, as do the others.
func (f *gated) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return 0, s
	}
	return f.RawFileSystem.Write(cancel, in, data)
}

func (f *gated) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Fsync(cancel, in)
}

func (f *gated) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.FsyncDir(cancel, in)
}

func (f *gated) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Create(cancel, in, name, out)
}

func (f *gated) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Mkdir(cancel, in, name, out)
}

func (f *gated) Unlink(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Unlink(cancel, in, name)
}

func (f *gated) Rename(cancel <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Rename(cancel, in, from, to)
}

func (f *gated) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.SetAttr(cancel, in, out)
}

func (f *gated) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	if s := f.gate.pass(cancel); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Fallocate(cancel, in)
}
