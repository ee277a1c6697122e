package replication

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/consensus/internal/mailbox"
)

// Transport carries messages to other members.
type Transport interface {
	// Send may drop what it cannot queue, and does not wait. The messages are shared and must not be changed.
	Send(messages []*raftpb.Message)
	// ActiveSince returns since when a member can be reached, false if it cannot.
	ActiveSince(id uint64) (time.Time, bool)
}

// Ticks returns a channel that receives the time at intervals, and what stops it.
type Ticks func(time.Duration) (c <-chan time.Time, stop func())

// raftLoop owns the stepper: it tells it what happens, and hands out what it decides.
type raftLoop struct {
	stepper   *stepper
	ticks     Ticks
	transport Transport
	logger    *slog.Logger

	pending     *pending
	readers     *readers
	readsDue    *time.Timer       // fires when reads have waited for an answer to others for long enough
	inbox       inbox             // from the log's writer, the applier and the other members
	received    []*raftpb.Message // what was taken from the inbox last, for its array
	confChanges chan confChange
	tasks       *mailbox.Mailbox[func(*stepper)]
	stopped     <-chan struct{}

	// toLog and toApplier are the others' inboxes, reached is how far they are.
	toLog, toApplier inbox
	reached          *reached
	published        *published
	metrics          *Metrics
	ticked           time.Time // when the last tick was
}

// confChange asks the replica to apply a committed membership change; the applier waits for the answer.
type confChange struct {
	change raftpb.ConfChangeI
	reply  chan *raftpb.ConfState
}

// reconfigure returns what the applier has raft apply a committed change of members with.
func reconfigure(confChanges chan<- confChange) func(context.Context, raftpb.ConfChangeI) (*raftpb.ConfState, error) {
	return func(ctx context.Context, change raftpb.ConfChangeI) (*raftpb.ConfState, error) {
		request := confChange{change, make(chan *raftpb.ConfState, 1)}
		select {
		case confChanges <- request:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		// The loop answers a request that it has taken before it can end.
		return <-request.reply, nil
	}
}

// run returns nil when ctx ends and an error when raft cannot go on.
func (l *raftLoop) run(ctx context.Context) error {
	ticker, stop := l.ticks(l.stepper.settings.tick)
	defer stop()
	for {
		l.handOut()
		var proposals <-chan struct{}
		if l.stepper.mayPropose() {
			proposals = l.pending.ready
		}
		select {
		case <-ctx.Done():
			return nil
		case <-proposals:
			if l.stepper.propose(time.Now()) {
				nudge(l.pending.ready)
			}
		case <-l.inbox.Ready():
			if err := l.receive(); err != nil {
				return err
			}
		case <-l.readers.wake:
			l.askReadIndex()
		case <-l.readsDue.C:
			l.askReadIndex()
		case <-l.tasks.Ready():
			if err := l.work(); err != nil {
				return err
			}
		case c := <-l.confChanges:
			c.reply <- l.stepper.node.ApplyConfChange(c.change)
		case <-ticker:
			l.tick()
		}
	}
}

// receive hands raft the messages that have come.
func (l *raftLoop) receive() error {
	l.received = l.inbox.Take(l.received)
	now := time.Now()
	for _, m := range l.received {
		if err := l.stepper.step(m, now); err != nil {
			return err
		}
	}
	return nil
}

// work runs the tasks that have come, behind the messages that came before them: what a member sent before it was reported
// down must not bring it back.
func (l *raftLoop) work() error {
	if err := l.receive(); err != nil {
		return err
	}
	l.handOut()
	for _, task := range l.tasks.Take(nil) {
		task(l.stepper)
		l.handOut() // a task sees what the one before it brought about
	}
	return nil
}

func (l *raftLoop) tick() {
	l.stepper.done = l.reached.progress()
	l.stepper.tick()
	now := time.Now()
	if late := now.Sub(l.ticked) > 2*l.stepper.settings.tick; late && !l.ticked.IsZero() && l.stepper.position.leader == l.stepper.id {
		l.metrics.lateHeartbeats.Inc()
		l.logger.Warn("leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk",
			"heartbeat-interval", l.stepper.settings.tick, "exceeded-duration", now.Sub(l.ticked)-l.stepper.settings.tick)
	}
	l.ticked = now
	if l.stepper.ticks%readRetryTicks == 0 {
		for _, id := range l.readers.unanswered() {
			l.metrics.readsSlow.Inc()
			l.stepper.node.ReadIndex(id)
		}
	}
}

// askReadIndex asks raft for the reads that wait, if it is time.
func (l *raftLoop) askReadIndex() {
	id, early := l.readers.start(time.Now())
	if early > 0 {
		l.readsDue.Reset(early)
	}
	if id != nil {
		l.stepper.node.ReadIndex(id)
	}
}

// handOut carries out what the stepper has decided.
func (l *raftLoop) handOut() {
	l.stepper.done = l.reached.progress()
	out := l.stepper.ready()
	if out.moved {
		l.published.set(l.stepper.position, out.leaderChanged)
		if out.leaderChanged && l.stepper.position.leader != raft.None {
			l.metrics.leaderChanges.Inc()
		}
	}
	for _, n := range out.notices {
		l.logger.Log(context.Background(), n.level, n.text, n.args...)
	}
	for _, state := range out.reads {
		l.readers.answer(state.RequestCtx, state.Index)
	}
	l.measure(out)
	l.toLog.Put(out.toLog...)
	l.toApplier.Put(out.toApplier...)
	if len(out.toPeers) > 0 {
		l.transport.Send(out.toPeers)
	}
	if len(out.reads) > 0 {
		nudge(l.readers.wake) // for those that gathered meanwhile
	}
	// The callers may try again at once: nothing was proposed.
	if len(out.refused) > 0 {
		answerAll(out.refused, fmt.Errorf("propose: %w", errdefs.ErrLeaderChanged))
	}
}

// measure notes which commands were proposed and which are committed, before anybody applies them.
func (l *raftLoop) measure(out *output) {
	for _, b := range out.proposed {
		for _, p := range b.proposals {
			l.metrics.queue.Observe(b.times.begun.Sub(p.submitted).Seconds())
		}
	}
	if len(out.toApplier) > 0 {
		l.pending.commit(out.toApplier, time.Now())
	}
}

// call runs fn on the loop's goroutine and waits for what it returns. A caller that gave up shares nothing with fn, which runs all
// the same: the answer has a place of its own.
func call[T any](ctx context.Context, l *raftLoop, fn func(*stepper) T) (answer T, err error) {
	answered := make(chan T, 1)
	l.tasks.Put(func(s *stepper) { answered <- fn(s) })
	select {
	case answer = <-answered:
		return answer, nil
	case <-ctx.Done():
		return answer, fmt.Errorf("reach the replica: %w", context.Cause(ctx))
	case <-l.stopped:
		return answer, fmt.Errorf("reach the replica: %w", errdefs.ErrStopped)
	}
}
