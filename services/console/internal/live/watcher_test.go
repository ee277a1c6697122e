package live

import (
	"testing"
	"testing/synctest"
	"time"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

// Goal: a sample that took as long as all events do where all are shown is the last one: then the rest of the window is shown too, and the next as a whole; a
// quicker one is not. Method: a watch that shows ten events a second, and the clock.
func TestAllIsShownAgainOnceItMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{asked: &consolev1.LiveWatch{EventsPerSecond: 10}}
		w.open(sampleMax)
		w.sampling, w.left = true, 0
		began := time.Now()
		for _, step := range []struct {
			at   time.Duration
			want int
		}{{0, 0}, {490 * time.Millisecond, 0}, {500 * time.Millisecond, 5}, {1100 * time.Millisecond, 10}} {
			<-time.After(time.Until(began.Add(step.at)))
			if got := w.allowed(); got != step.want {
				t.Errorf("%d events may be shown after %s, want %d", got, step.at, step.want)
			}
		}
	})
}
