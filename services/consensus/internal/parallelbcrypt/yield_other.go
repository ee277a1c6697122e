//go:build !linux

package parallelbcrypt

import "runtime"

// yield gives the processor to other goroutines that wait for it.
func yield() { runtime.Gosched() }
