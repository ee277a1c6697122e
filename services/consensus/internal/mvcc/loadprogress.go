package mvcc

import (
	"context"
	"sync"
)

// loadProgress says how far a load is on the long ways, of which there are three: the versions as they come, as they lie on disk, and those of which
// history is late.
type loadProgress struct {
	l *loading

	mu sync.Mutex
	// read counts what was read: how many versions there are is known when there are no more.
	read     readVersions
	complete bool
	walked   int64
}

// readVersions are so many versions, of some bytes, of which history is late for some.
type readVersions struct{ versions, bytes, late int64 }

// readCount counts what is read of a part, for one goroutine.
type readCount struct {
	p   *loadProgress
	ctx context.Context
	readVersions
}

func (p *loadProgress) reads(ctx context.Context) readCount { return readCount{p: p, ctx: ctx} }

// version is called for each version. It ends the way with the context.
func (c *readCount) version(v *LoadVersion) error {
	c.versions++
	c.bytes += int64(len(v.Key) + len(v.Value))
	if c.versions < scanRowsPerCheck {
		return nil
	}
	c.tell()
	return context.Cause(c.ctx)
}

// tell adds what was counted to what all have read.
func (c *readCount) tell() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	read := &c.p.read
	read.versions += c.versions
	read.bytes += c.bytes
	read.late += c.late
	c.p.passedLocked(c.versions)
	c.readVersions = readVersions{}
}

// allRead is called when there are no more versions.
func (p *loadProgress) allRead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complete = true
}

// wayPart is a part of one of the other ways, for one goroutine.
type wayPart struct {
	p      *loadProgress
	ctx    context.Context
	walked int
}

func (p *loadProgress) walk(ctx context.Context) wayPart { return wayPart{p: p, ctx: ctx} }

// step is called for each row. It ends the way with the context.
func (w *wayPart) step() error {
	if w.walked++; w.walked%scanRowsPerCheck != 0 {
		return nil
	}
	w.p.passed(scanRowsPerCheck)
	return context.Cause(w.ctx)
}

func (p *loadProgress) passed(rows int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passedLocked(rows)
}

func (p *loadProgress) passedLocked(rows int64) {
	p.walked += rows
	if p.l.content.Progress == nil || rows == 0 {
		return
	}
	part := float64(p.walked) / float64(2*p.read.versions+p.read.late)
	if !p.complete {
		part *= min(1, float64(p.read.bytes)/float64(max(len(p.l.content.File), 1)))
	}
	p.l.content.Progress(part)
}
