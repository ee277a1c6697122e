package peer

import (
	"net/http"
	"time"
)

// driftMax is how far clocks of two members may be apart without a warning. It is etcd's. Nothing that is decided here depends on clocks of others, but
// certificates, tokens and the times of revisions do.
const driftMax = time.Second

// driftOf returns how far the clock of who answered a request is at least ahead of this one, or behind it if it is negative; 0 where that cannot be
// told. An answer's date is in whole seconds, and was made between the moments at which the request began and its answer arrived.
func driftOf(answer http.Header, began, arrived time.Time) time.Duration {
	date, err := http.ParseTime(answer.Get("Date"))
	if err != nil {
		return 0
	}
	if ahead := date.Sub(arrived); ahead > 0 {
		return ahead
	}
	if behind := began.Sub(date.Add(time.Second)); behind > 0 {
		return -behind
	}
	return 0
}

// watchClock warns of a peer whose clock differs.
func (t *Transport) watchClock(peer uint64, answer http.Header, began, arrived time.Time) {
	drift := driftOf(answer, began, arrived)
	if drift.Abs() > driftMax {
		t.notices.Warn(peer, "the clock of a member differs from this one's: synchronize both", "ahead-by-at-least", drift)
	}
}
