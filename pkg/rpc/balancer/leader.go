package balancer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
)

// Leadership is who leads, as a member of the store knows it.
type Leadership interface {
	MemberID() uint64
	// Leader returns the leader, 0 for none, and a channel that is closed when that changes.
	Leader() (id uint64, changed <-chan struct{})
}

// AtLeader makes a call at the member that leads, and again while leadership moves, as r allows. It is what Balancer.Call is to
// members that know themselves who leads. call makes one attempt at a leader, which may be this member. AtLeader fails with
// what the leader returned, with errdefs.ErrLeaderChanged when the outcome is open, and with the cause of ctx's end.
func AtLeader[Response any](
	ctx context.Context, l Leadership, r RetryPolicy, call func(ctx context.Context, leader uint64) (Response, error),
) (Response, error) {
	for {
		leader, changed := l.Leader()
		var response Response
		var err error
		switch leader {
		case 0:
			err = errNobody
		case l.MemberID():
			response, err = call(ctx, leader)
		default:
			response, err = ask(ctx, l, leader, call)
		}
		switch r.judge(err) {
		case final:
			return response, err
		case unknown:
			return response, outcomeOpen(err)
		case elsewhere, later, soon:
		}
		timer := time.NewTimer(refusedPause)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return response, fmt.Errorf("reach the leader: %w", context.Cause(ctx))
		}
		timer.Stop()
	}
}

// outcomeOpen is the error of a call of which nobody knows whether it was done.
func outcomeOpen(err error) error {
	return fmt.Errorf("%w: %w", errdefs.ErrLeaderChanged, err)
}

// ask makes a call of a leader that is another member, and gives it up once somebody else leads: one that is frozen or cut off
// does not say that it is the leader no more.
func ask[Response any](
	ctx context.Context, l Leadership, leader uint64, call func(context.Context, uint64) (Response, error),
) (Response, error) {
	attempt, abandon := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer abandon()
		AwaitOther(attempt, l, leader)
	}()
	response, err := call(attempt, leader)
	abandon()
	<-watched
	// The end of this attempt, or of the leader's process, must not look as if the caller had left.
	ended := errors.Is(err, context.Canceled) || errors.Is(err, errdefs.ErrStopped)
	if ended && ctx.Err() == nil {
		return response, fmt.Errorf("member %x, which led: %v: %w", leader, err, batching.ErrLost)
	}
	return response, err
}

// AwaitOther waits until somebody other than leader leads, or ctx ends.
func AwaitOther(ctx context.Context, l Leadership, leader uint64) {
	for {
		now, changed := l.Leader()
		if now != leader && now != 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
