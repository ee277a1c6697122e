package consensus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

const (
	// unmeasuredKeysMax is how many keys a transaction may read without being measured. All such that are under way may read as many as
	// unmeasuredPart of the memory is enough for, if each has a value as long as a request may be, about: what is measured costs ten microseconds more.
	unmeasuredKeysMax, unmeasuredPart, valueBytesMax = 2, 8, 2 << 20
	// costlyFrom is from what cost on a transaction whose caller has left is still waited for.
	costlyFrom = 4096
	// abandonedMax bounds that.
	abandonedMax = time.Minute
)

// readingTxns bounds what transactions that write read: the applier does it for them, one after the other, while all other writes wait, and at every
// start that finds them in the log again. What is read is measured first, by who asks, as a read; what all that are under way may cost is what one may.
type readingTxns struct {
	gate       *gate.Gate
	proposer   *proposer
	places     *semaphore.Weighted
	unmeasured atomic.Int64
	// unmeasuredMax is how many keys those that are not measured may read.
	unmeasuredMax int64

	mu struct {
		sync.Mutex
		// abandoned are those that wait for what callers have left behind.
		abandoned sync.WaitGroup
		closed    bool
	}
}

func newReadingTxns(g *gate.Gate, p *proposer) *readingTxns {
	return &readingTxns{
		gate: g, proposer: p, places: semaphore.NewWeighted(mvcc.MeasuredRowsMax), unmeasuredMax: budget.Memory() / unmeasuredPart / valueBytesMax,
	}
}

// enter waits until a command may be proposed: errdefs.ErrTooLarge if it never may, or why ctx has ended. What it returns must be called once the command
// has been answered, or its caller has left.
func (r *readingTxns) enter(ctx context.Context, command *consensusv1.Command) (leave func(), err error) {
	op := command.GetTxn()
	keys, ranges := statemachine.TxnReads(op)
	if keys == 0 && !ranges {
		return func() {}, nil
	}
	if !ranges && keys <= unmeasuredKeysMax {
		if r.unmeasured.Add(int64(keys)) <= r.unmeasuredMax {
			return func() { r.unmeasured.Add(-int64(keys)) }, nil
		}
		r.unmeasured.Add(-int64(keys))
	}
	measured, err := r.measure(ctx, command)
	if err != nil {
		return nil, err
	}
	if measured.Bytes >= budget.AnswerStep {
		if err := budget.Grow(ctx, measured.Bytes); err != nil {
			return nil, fmt.Errorf("wait for room for the answer: %w", err)
		}
	}
	cost := measured.Cost()
	if err := r.places.Acquire(ctx, cost); err != nil {
		return nil, fmt.Errorf("wait for other transactions that read much: %w", context.Cause(ctx))
	}
	return func() { r.leave(ctx, cost) }, nil
}

// measure finds nothing where the caller has no right to what would be read: the applier will not read it.
func (r *readingTxns) measure(ctx context.Context, command *consensusv1.Command) (measured mvcc.Measured, err error) {
	tenure, ok := r.gate.Enter()
	if !ok {
		return measured, fmt.Errorf("propose: %w", errdefs.ErrStopped)
	}
	defer tenure.Leave()
	err = tenure.Reading(ctx, func(ctx context.Context) (err error) {
		state, err := tenure.Machine.Auth()
		if err != nil || state.OfCommand(command.GetCaller(), command, attachments(ctx, tenure.Store)) != nil {
			return err
		}
		measured, err = tenure.Machine.MeasureTxn(ctx, command.GetTxn())
		return err
	})
	return measured, err
}

// leave gives the place back. A caller that has left may have left a command in the log behind: the place is free when a command that does nothing, and
// was proposed later, has been carried out.
func (r *readingTxns) leave(ctx context.Context, cost int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cost < costlyFrom || ctx.Err() == nil || r.mu.closed {
		r.places.Release(cost)
		return
	}
	r.mu.abandoned.Go(func() {
		defer r.places.Release(cost)
		bounded, cancel := context.WithTimeout(context.Background(), abandonedMax)
		defer cancel()
		_, _ = r.proposer.internal(bounded, &consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: &consensusv1.TxnOp{}}})
	})
}

// close waits for what leave has begun. The replica is closed, and answers at once.
func (r *readingTxns) close() {
	r.mu.Lock()
	r.mu.closed = true
	r.mu.Unlock()
	r.mu.abandoned.Wait()
}
