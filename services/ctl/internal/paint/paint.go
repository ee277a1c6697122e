// Package paint gives text colours, on a terminal alone: what is not a terminal keeps text, and colours in it are noise.
package paint

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Paint gives text colours, or leaves it as it is. The zero value does the latter.
type Paint struct{ on bool }

// New is for what is written to w: with colours if that is a terminal that has them and the environment has no NO_COLOR.
func New(w io.Writer, environ func(name string) string) Paint {
	file, ok := w.(*os.File)
	return Paint{on: ok && term.IsTerminal(int(file.Fd())) && environ("NO_COLOR") == "" && environ("TERM") != "dumb"}
}

func (p Paint) with(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is for headings.
func (p Paint) Bold(text string) string { return p.with("1", text) }

// Dim is for what is beside the point.
func (p Paint) Dim(text string) string { return p.with("2", text) }

// Red is for what is wrong, or gone.
func (p Paint) Red(text string) string { return p.with("31", text) }

// Green is for what is right, or new.
func (p Paint) Green(text string) string { return p.with("32", text) }

// Yellow is for what should be looked at.
func (p Paint) Yellow(text string) string { return p.with("33", text) }

// Blue is for what others are below.
func (p Paint) Blue(text string) string { return p.with("34", text) }
