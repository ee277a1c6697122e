package lessor

// Latch marks the ids that something was proposed for. Whoever else wants to do something with such an id waits until it is
// released, and then looks again. So at most one proposal an id is under way from here, and the order in which outcomes arrive
// cannot differ from the order in which they took effect.
type Latch struct {
	// released is closed when the latch holds no id any more: who wakes earlier and finds it still there would wait for
	// nothing, over and over.
	released chan struct{}
	// left is how many ids the latch holds.
	left int
}

func newLatch() *Latch { return &Latch{released: make(chan struct{})} }

// Released is closed once the latch holds no id any more.
func (l *Latch) Released() <-chan struct{} { return l.released }

// latches are those of the ids that have one.
type latches map[int64]*Latch

// take has a latch hold ids that none holds.
func (ls latches) take(l *Latch, ids ...int64) {
	for _, id := range ids {
		ls[id] = l
		l.left++
	}
}

// release gives ids free, and wakes those who wait for their latches once nothing of these is left.
func (ls latches) release(ids ...int64) {
	for _, id := range ids {
		l := ls[id]
		if l == nil {
			continue
		}
		delete(ls, id)
		if l.left--; l.left == 0 {
			close(l.released)
		}
	}
}
