package treeexpiry

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

const (
	// interval is how often the leader looks for files and directories that have expired: etcd's v2 interval.
	interval = 500 * time.Millisecond
	// proposedMax bounds how many are proposed at a time, so that other proposals find room between them.
	proposedMax = 1000
	// timeout is when proposals that are not answered are given up. They may still take effect, and are
	// proposed again at the next look if not.
	timeout = 5 * time.Second
)

// Replica replicates commands, as replication.Replica does.
type Replica interface {
	Leads() bool
	Submit(command *consensusv1.Command) (*replication.Proposal, error)
	Wait(ctx context.Context, p *replication.Proposal) (*consensusv1.Result, error)
	Forget(p *replication.Proposal)
}

// Expiry is the leader's, for what the v2 API gave a time.
type Expiry struct {
	gate    *gate.Gate
	replica Replica
	ticks   replication.Ticks
	log     *slog.Logger
}

// New returns one that does nothing before Run.
func New(gate *gate.Gate, replica Replica, ticks replication.Ticks, log *slog.Logger) *Expiry {
	return &Expiry{gate, replica, ticks, log}
}

// Run ends the files and directories of the tree whose time has come, while this member leads, until ctx ends. An error is the store's;
// what could not be proposed is left to the next look.
func (e *Expiry) Run(ctx context.Context) error {
	ticks, stop := e.ticks(interval)
	defer stop()
	var s schedule
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticks:
			if err := e.carryOut(ctx, &s, tick{now.UnixNano(), e.replica.Leads()}); err != nil {
				return fmt.Errorf("find what has expired: %w", err)
			}
		}
	}
}

// carryOut does what follows from an event, and from what comes of that, until the next tick is to be waited for.
func (e *Expiry) carryOut(ctx context.Context, s *schedule, next event) error {
	var proposed int
	for {
		switch a := s.step(next); {
		case a.look != 0:
			due, err := e.due(a.look)
			if err != nil {
				return err
			}
			next = found(due)
		case len(a.propose) > 0:
			proposed = len(a.propose)
			next = ended{e.propose(ctx, a.propose)}
		default:
			if a.failed != nil && ctx.Err() == nil {
				e.log.Warn("could not expire files and directories, trying again", "count", proposed, "error", a.failed)
			}
			return nil
		}
	}
}

// due returns what has expired.
func (e *Expiry) due(now int64) ([]*consensusv1.TreeOp, error) {
	tenure, ok := e.gate.Enter()
	if !ok {
		return nil, nil
	}
	defer tenure.Leave()
	return tenure.Machine.Due(now, proposedMax)
}

// propose proposes operations one behind the other and waits for all.
func (e *Expiry) propose(ctx context.Context, due []*consensusv1.TreeOp) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var waiting []*replication.Proposal
	defer func() {
		for _, p := range waiting {
			e.replica.Forget(p)
		}
	}()
	for _, op := range due {
		p, err := e.replica.Submit(&consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: op}, Caller: &consensusv1.Caller{Internal: true}})
		if err != nil {
			return err
		}
		waiting = append(waiting, p)
	}
	for _, p := range waiting {
		if _, err := e.replica.Wait(ctx, p); err != nil {
			return err
		}
	}
	return nil
}
