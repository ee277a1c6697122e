package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

const (
	// renewIDsMax is how many leases one request for all carries: what the lease service takes at most.
	renewIDsMax = 10_000
	// renewPause is the least time between two such requests, of which the first carried keep-alives of several callers, and
	// renewPauseMany where these were at least renewMany: what it costs to send, to take and to answer a message is shared by those
	// that come meanwhile. A caller that is alone never waits for it.
	renewPause     = 2 * time.Millisecond
	renewPauseMany = 3 * time.Millisecond
	renewMany      = 16
	// renewOverlap is how long a request without an answer keeps the next one waiting.
	renewOverlap = 10 * time.Millisecond
	// renewTimeout bounds a request for several. A lease in it may have to wait for longer than the others have to: then each is
	// asked for alone.
	renewTimeout = time.Second
)

// renewals makes one request of all the keep-alives that wait, and gives each its part of the answer. Leases that have to wait for
// something hold up no others: they are asked for once more, together, and alone if that takes long.
type renewals struct {
	// renew makes a request.
	renew func(context.Context, *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error)
	wake  chan struct{} // holds one

	mu struct {
		sync.Mutex
		waiting []*renewal
		running bool
	}
}

// renewal is one caller's keep-alive. Its answer is nil if it has to be asked for alone.
type renewal struct {
	ids    []int64
	answer chan *leasev1.KeepAliveResponse // holds one
}

func newRenewals(renew func(context.Context, *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error)) *renewals {
	return &renewals{renew: renew, wake: make(chan struct{}, 1)}
}

// KeepAlive makes a keep-alive together with others while run does, and alone where that has no answer.
func (r *renewals) KeepAlive(ctx context.Context, request *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	w := &renewal{ids: request.GetIds(), answer: make(chan *leasev1.KeepAliveResponse, 1)}
	if r.join(w) {
		select {
		case answer := <-w.answer:
			if answer != nil {
				return answer, nil
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("KeepAlive: wait for the answer: %w", context.Cause(ctx))
		}
	}
	return r.renew(ctx, request)
}

// join has a keep-alive made together with others, unless there is nobody to do so.
func (r *renewals) join(w *renewal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.mu.running || len(w.ids) > renewIDsMax {
		return false
	}
	r.mu.waiting = append(r.mu.waiting, w)
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return true
}

// run makes the requests until ctx ends.
func (r *renewals) run(ctx context.Context) {
	var requests sync.WaitGroup
	defer requests.Wait()
	defer r.stop()
	r.mu.Lock()
	r.mu.running = true
	r.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
		for some := r.take(); len(some) > 0; some = r.take() {
			answered := make(chan struct{})
			requests.Go(func() { r.request(ctx, some, answered) })
			if pause := pauseAfter(len(some)); pause > 0 {
				timer.Reset(pause)
				<-timer.C
			}
			timer.Reset(renewOverlap)
			select {
			case <-answered:
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// pauseAfter is the least time between a request of so many callers and the next one.
func pauseAfter(callers int) time.Duration {
	switch {
	case callers >= renewMany:
		return renewPauseMany
	case callers > 1:
		return renewPause
	}
	return 0
}

// stop lets those who wait go on alone.
func (r *renewals) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.running = false
	for _, w := range r.mu.waiting {
		w.answer <- nil
	}
	r.mu.waiting = nil
}

// take returns those whose keep-alives the next request carries.
func (r *renewals) take() []*renewal {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, n := 0, 0
	for n < len(r.mu.waiting) && ids+len(r.mu.waiting[n].ids) <= renewIDsMax {
		ids += len(r.mu.waiting[n].ids)
		n++
	}
	some := r.mu.waiting[:n:n]
	r.mu.waiting = r.mu.waiting[n:]
	return some
}

// request makes one request for all of some, and answers each; answered is closed when those have their answers that need not
// wait.
func (r *renewals) request(ctx context.Context, some []*renewal, answered chan<- struct{}) {
	waiting, err := r.ask(ctx, some, len(some) > 1)
	close(answered)
	if err == nil && len(waiting) > 1 {
		waiting, _ = r.ask(ctx, waiting, false)
	}
	for _, w := range waiting {
		w.answer <- nil
	}
}

// ask makes one request for all of some, answers those of which it had an answer, and returns the others.
func (r *renewals) ask(ctx context.Context, some []*renewal, noWait bool) (waiting []*renewal, err error) {
	all := &leasev1.KeepAliveRequest{NoWait: noWait}
	for _, w := range some {
		all.Ids = append(all.Ids, w.ids...)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, renewTimeout, errAlone)
	defer cancel()
	answer, err := r.renew(ctx, all)
	if err != nil {
		return some, err
	}
	ttls := answer.GetTtls()
	for _, w := range some {
		own := slices.Clip(ttls[:min(len(w.ids), len(ttls))])
		ttls = ttls[len(own):]
		if len(own) < len(w.ids) || slices.Contains(own, waits) {
			waiting = append(waiting, w)
			continue
		}
		w.answer <- &leasev1.KeepAliveResponse{Ttls: own, Revision: answer.GetRevision(), RaftTerm: answer.GetRaftTerm()}
	}
	return waiting, nil
}

// waits is the answer for a lease that has to wait for something.
const waits = -1

// errAlone ends a request for all that takes too long.
var errAlone = errors.New("the leases are asked for one by one")
