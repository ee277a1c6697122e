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
		shut *shut // nil while the gate is open
		by   time.Duration
	}
}

// shut is one time in which a gate is shut.
type shut struct {
	over   chan struct{}
	broken bool // set before over is closed
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.shut == nil {
		g.mu.shut = &shut{over: make(chan struct{})}
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
	if g.mu.shut != nil {
		close(g.mu.shut.over)
		g.mu.shut = nil
	}
}

// breakOff has those who wait at a shut gate fail, and others wait.
func (g *gate) breakOff() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.shut != nil {
		g.mu.shut.broken = true
		close(g.mu.shut.over)
		g.mu.shut = &shut{over: make(chan struct{})}
	}
}

// pass waits as long as the gate says. A signal does not end it, as it does not end the write to a disk of any other kind: programs do not expect
// that.
func (g *gate) pass() fuse.Status {
	g.mu.Lock()
	closed, by := g.mu.shut, g.mu.by
	g.mu.Unlock()
	if closed != nil {
		<-closed.over
		if closed.broken {
			return fuse.EIO
		}
	}
	if by > 0 {
		timer := time.NewTimer(by)
		defer timer.Stop()
		<-timer.C
	}
	return fuse.OK
}

// gated has everything that changes a file system pass a gate first.
type gated struct {
	fuse.RawFileSystem
	gate *gate
}

// Write implements fuse.RawFileSystem, as do the others.
func (f *gated) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := f.gate.pass(); s != fuse.OK {
		return 0, s
	}
	return f.RawFileSystem.Write(cancel, in, data)
}

func (f *gated) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if s := f.gate.pass(); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Fsync(cancel, in)
}

func (f *gated) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if s := f.gate.pass(); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.FsyncDir(cancel, in)
}

func (f *gated) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if s := f.gate.pass(); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Create(cancel, in, name, out)
}

func (f *gated) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if s := f.gate.pass(); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Mkdir(cancel, in, name, out)
}

func (f *gated) Unlink(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	if s := f.gate.pass(); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Unlink(cancel, in, name)
}

func (f *gated) Rename(cancel <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if s := f.gate.pass(); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Rename(cancel, in, from, to)
}

func (f *gated) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if s := f.gate.pass(); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.SetAttr(cancel, in, out)
}

func (f *gated) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	if s := f.gate.pass(); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Fallocate(cancel, in)
}
