package consensus

import "sync"

// fatal is why the member cannot go on, if it cannot: what a store's own goroutines met, or what other members said.
type fatal struct {
	// found is closed by the first report.
	found chan struct{}
	once  sync.Once
	err   error // set when found is closed
}

func newFatal() *fatal { return &fatal{found: make(chan struct{})} }

// report takes a reason; the first one ends Run.
func (f *fatal) report(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.found)
	})
}

// cause waits for a reason and returns it.
func (f *fatal) cause() error {
	<-f.found
	return f.err
}
