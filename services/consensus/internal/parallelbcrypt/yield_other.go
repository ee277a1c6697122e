//go:build !linux

package parallelbcrypt

import "runtime"

// yielder lets others have the processor in between.
type yielder struct{}

func newYielder() *yielder { return new(yielder) }

// yield gives the processor to other goroutines that wait for it.
func (*yielder) yield() { runtime.Gosched() }

func (*yielder) close() {}
