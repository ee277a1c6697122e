package consensus

import "time"

// Clock is the time that a member sees. Raft's ticks and all housekeeping come from it, so that a test can drive them.
type Clock interface {
	NewTicker(time.Duration) Ticker
}

// Ticker delivers the time at intervals until it is stopped.
type Ticker interface {
	C() <-chan time.Time
	Stop()
}

// SystemClock is the machine's monotonic clock: steps of the wall clock do not show in it.
type SystemClock struct{}

// NewTicker returns a ticker of the time package.
func (SystemClock) NewTicker(d time.Duration) Ticker {
	return systemTicker{time.NewTicker(d)}
}

type systemTicker struct{ *time.Ticker }

func (t systemTicker) C() <-chan time.Time { return t.Ticker.C }

// nudge leaves a token in a channel of capacity 1, unless there is one.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
