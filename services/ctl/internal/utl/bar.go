package utl

import (
	"io"

	"github.com/quoratedb/quorate/services/ctl/internal/progress"
)

// bar shows how far something long is, from when there is something to show. It is one goroutine's.
type bar struct {
	w     io.Writer
	name  string
	shown *progress.Bar
	total int64
}

func (t *Tool) bar(name string) *bar { return &bar{w: t.Stderr, name: name} }

func (b *bar) set(done, total int64) {
	if b.shown == nil {
		b.shown = progress.New(b.w, b.name)
	}
	b.total = total
	b.shown.Set(done, total)
}

// finish leaves the bar where it is, or at its end if nothing went wrong.
func (b *bar) finish(err error) {
	if b.shown == nil {
		return
	}
	if err == nil {
		b.shown.Set(b.total, b.total)
	}
	b.shown.Finish()
}
