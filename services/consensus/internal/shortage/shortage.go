// Package shortage tells the errors of a storage engine's background work that pass by themselves. It neither waits nor tries
// again: the engine does.
package shortage

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"
)

// passing are what the system runs short of and has again: descriptors, memory, a moment. A full disk is not among them: what
// the engine tries again meanwhile would take the room that is needed to get out of it.
var passing = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN}

// Passes tells whether the engine will succeed later, when the system has more again, and nothing is lost until then.
func Passes(err error) bool {
	for _, shortage := range passing {
		if errors.Is(err, shortage) {
			return true
		}
	}
	return false
}

// toldEvery is how often a shortage is logged: the engine tries again at once, as often as it fails.
const toldEvery = 5 * time.Second

// Notice logs shortages, not each of them. Its zero value is ready, and may be used concurrently.
type Notice struct {
	told atomic.Int64 // when, in nanoseconds since 1970
}

// Warn logs that background work failed and will be tried again.
func (n *Notice) Warn(log *slog.Logger, err error) {
	now := time.Now().UnixNano()
	if told := n.told.Load(); now-told >= int64(toldEvery) && n.told.CompareAndSwap(told, now) {
		log.Warn("storage: the system has too little of something, and the work is tried again: raise the limit or close what takes it", "error", err)
	}
}
