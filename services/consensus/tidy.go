package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/consensus/internal/audit"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// tidying is one defragmentation at a time, which all who ask meanwhile share.
type tidying struct {
	// asked has a token when somebody waits for it to begin.
	asked chan struct{}
	mu    struct {
		sync.Mutex
		// now is the one that was asked for and has not ended, nil if none was.
		now *tidyingRun
	}
}

// tidyingRun is one defragmentation. err is set when ended is closed.
type tidyingRun struct {
	ended chan struct{}
	err   error
}

// ask returns the run that has not ended, or a new one.
func (t *tidying) ask() *tidyingRun {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.now == nil {
		t.mu.now = &tidyingRun{ended: make(chan struct{})}
		nudge(t.asked)
	}
	return t.mu.now
}

func (t *tidying) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.now.err = err
	close(t.mu.now.ended)
	t.mu.now = nil
}

// tidier has the state's files rewritten and what is in use counted.
type tidier struct {
	clock Clock
	gate  *gate.Gate
	// pace holds the reading of a state of a size back.
	pace    func(size int64) func(ctx context.Context, read int) error
	stopped <-chan struct{}
	runs    tidying
	log     *slog.Logger
}

func newTidier(cfg Config, gate *gate.Gate, verifier *audit.Verifier, stopped <-chan struct{}) *tidier {
	return &tidier{clock: cfg.Clock, gate: gate, pace: verifier.Pace, stopped: stopped, runs: tidying{asked: make(chan struct{}, 1)}, log: cfg.Logger}
}

// defragment has the storage engine rewrite the state's files without what was deleted, at its own pace. It answers when
// that is done, and after defragmentAnswerMax in any case: it goes on by itself.
func (t *tidier) defragment(ctx context.Context) error {
	run := t.runs.ask()
	timer := time.NewTimer(defragmentAnswerMax)
	defer timer.Stop()
	var err error
	select {
	case <-run.ended:
		err = run.err
	case <-timer.C:
	case <-t.stopped:
		err = errdefs.ErrStopped
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("defragment: %w", err)
	}
	return nil
}

// run defragments when it is asked to, and counts what the state has in use where that is not known.
func (t *tidier) run(ctx context.Context) error {
	ticker := t.clock.NewTicker(housekeepingInterval)
	defer ticker.Stop()
	var failed time.Time // when counting did
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			if time.Since(failed) >= countAgainAfter && !t.countUsage(ctx) {
				failed = time.Now()
			}
		case <-t.runs.asked:
			began := time.Now()
			err := t.gate.LastingUse(ctx, func(ctx context.Context, state *mvcc.Store) error { return state.Defragment(ctx) })
			t.runs.end(err)
			if err != nil {
				t.log.Warn("could not defragment to the end", "error", err)
			} else {
				t.log.Info("defragmented", "took", time.Since(began))
			}
		}
	}
}

// countAgainAfter is how long a count that failed is not tried again: it reads the whole state.
const countAgainAfter = time.Minute

// errDefragmentFirst ends a count for somebody who waits for a defragmentation.
var errDefragmentFirst = errors.New("a defragmentation goes first")

// countUsage is for a data directory of a program that did not keep what is in use, and for what little can be unknown
// later. A defragmentation that is asked for meanwhile goes first, and the count begins anew after it. It is false if the
// count has failed.
func (t *tidier) countUsage(ctx context.Context) bool {
	if _, known := t.gate.State().Usage(); known {
		return true
	}
	began := time.Now()
	err := t.gate.LastingUse(ctx, func(ctx context.Context, state *mvcc.Store) error {
		size, _ := state.Size()
		wait := t.pace(size)
		return state.CountUsage(ctx, func(ctx context.Context, read int) error {
			if len(t.runs.asked) > 0 {
				return errDefragmentFirst
			}
			return wait(ctx, read)
		})
	})
	switch {
	case err == nil:
		inUse, _ := t.gate.State().Usage()
		t.log.Info("counted what the state has in use", "bytes", inUse, "took", time.Since(began))
	case errors.Is(err, errDefragmentFirst):
	case !errors.Is(err, errdefs.ErrStopped) && ctx.Err() == nil:
		t.log.Warn("could not count what the state has in use, will try again", "after", countAgainAfter, "error", err)
		return false
	}
	return true
}
