package front

import "time"

// SetTimes has connections end sooner than an operator would want. It is called before Run.
func (f *Front) SetTimes(halfClosedIdle, unreadMax time.Duration) {
	f.times = times{halfClosedIdle, unreadMax}
}
