// Package progress shows how far something long is, on a terminal alone: what is not a terminal keeps logs, and a bar in them is noise.
package progress

import (
	"io"
	"os"

	"github.com/cheggaaa/pb/v3"
	"golang.org/x/term"
)

// Bar is a progress bar, or nothing at all where there is no terminal. It is one goroutine's, but for Add.
type Bar struct {
	bar *pb.ProgressBar
}

// bytesTemplate shows bytes, how many there are, how fast they come and when it will be over.
const bytesTemplate = `{{string . "name"}} {{counters . }} {{bar . }} {{percent . }} {{speed . }} {{rtime . "%s left"}}`

// New is a bar of bytes, named on w.
func New(w io.Writer, name string) *Bar {
	if !onTerminal(w) {
		return &Bar{}
	}
	bar := pb.ProgressBarTemplate(bytesTemplate).New(0)
	bar.Set(pb.Bytes, true).Set("name", name).SetWriter(w)
	return &Bar{bar: bar.Start()}
}

// Count is a bar of so many things.
func Count(w io.Writer, total int) *Bar {
	if !onTerminal(w) {
		return &Bar{}
	}
	return &Bar{bar: pb.New(total).SetWriter(w).Start()}
}

func onTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Set says how far it is, and of how much.
func (b *Bar) Set(current, total int64) {
	if b.bar != nil {
		b.bar.SetTotal(total).SetCurrent(current)
	}
}

// Add is one step on. Any number of goroutines may call it.
func (b *Bar) Add() {
	if b.bar != nil {
		b.bar.Increment()
	}
}

// Finish leaves the bar as it is, and goes on below it.
func (b *Bar) Finish() {
	if b.bar != nil {
		b.bar.Finish()
	}
}
