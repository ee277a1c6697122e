package mvcc

import (
	"context"
	"sync"
)

// loadProgress says how far a load is on the long ways, of which there are three: the versions as they come, as they lie on disk, and those of which
// history is late.
type loadProgress struct {
	l *loading
	// sorted is how many versions there are, read how many bytes of them, and late of how many history is, while the first way is not at its end.
	sorted, read, late int64
	// revisions are those of one version of loadSampleRows.
	revisions []int64

	mu     sync.Mutex
	walked int64
}

// wayPart is a part of such a way, for one goroutine.
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
	p.walked += rows
	if p.l.content.Progress == nil {
		return
	}
	part := float64(p.walked) / float64(2*p.sorted+p.late)
	if p.walked == p.sorted { // of the first way the end is not known
		part *= min(1, float64(p.read)/float64(max(len(p.l.content.File), 1)))
	}
	p.l.content.Progress(part)
}
