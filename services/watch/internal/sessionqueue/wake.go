package sessionqueue

// Wake wakes the one goroutine that waits for a session's next delivery, and costs nothing while none does.
type Wake struct {
	tokens  chan struct{}
	waiting bool
}

// NewWake returns one that nobody waits for.
func NewWake() Wake { return Wake{tokens: make(chan struct{}, 1)} }

// Wait says that a goroutine is about to wait for a token. It must have looked for something to do under the same lock.
func (w *Wake) Wait() { w.waiting = true }

// Tokens is where the goroutine waits.
func (w *Wake) Tokens() <-chan struct{} { return w.tokens }

// Nudge wakes the goroutine if it waits, and tells whether it did.
func (w *Wake) Nudge() bool {
	if !w.waiting {
		return false
	}
	w.waiting = false
	select {
	case w.tokens <- struct{}{}:
	default:
	}
	return true
}
