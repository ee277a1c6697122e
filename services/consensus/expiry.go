package consensus

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
	// treeExpiryInterval is how often the leader looks for files and directories that have expired: etcd's v2 interval.
	treeExpiryInterval = 500 * time.Millisecond
	// treeExpiryMax bounds how many are proposed at a time, so that other proposals find room between them.
	treeExpiryMax = 1000
	// treeExpiryTimeout is when proposals that are not answered are given up. They may still take effect, and are
	// proposed again at the next look if not.
	treeExpiryTimeout = 5 * time.Second
)

// treeExpiry is the leader's, for what the v2 API gave a time.
type treeExpiry struct {
	clock   Clock
	gate    *gate.Gate
	replica *replication.Replica
	log     *slog.Logger
}

// run ends the files and directories of the tree whose time has come, while this member leads. Their expirations
// are moments of the wall clock, so that a restart does not prolong them: it is the leader's that counts.
func (e *treeExpiry) run(ctx context.Context) error {
	ticker := e.clock.NewTicker(treeExpiryInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C():
			if !e.replica.Leads() {
				continue
			}
			if err := e.expireDue(ctx, now.UnixNano()); err != nil {
				return fmt.Errorf("find what has expired: %w", err)
			}
		}
	}
}

// expireDue proposes the end of everything that is due, in the order of expirations: each end has a revision of its own.
// An error is the store's; what could not be proposed is left to the next look.
func (e *treeExpiry) expireDue(ctx context.Context, now int64) error {
	for {
		due, err := e.due(now)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := e.proposeExpired(ctx, due); err != nil {
			if ctx.Err() == nil {
				e.log.Warn("could not expire files and directories, trying again", "count", len(due), "error", err)
			}
			return nil
		}
	}
}

// due returns what has expired.
func (e *treeExpiry) due(now int64) ([]*consensusv1.TreeOp, error) {
	tenure, ok := e.gate.Enter()
	if !ok {
		return nil, nil
	}
	defer tenure.Leave()
	return tenure.Machine.Due(now, treeExpiryMax)
}

// proposeExpired proposes operations one behind the other and waits for all.
func (e *treeExpiry) proposeExpired(ctx context.Context, due []*consensusv1.TreeOp) error {
	ctx, cancel := context.WithTimeout(ctx, treeExpiryTimeout)
	defer cancel()
	var waiting []*replication.Proposal
	defer func() {
		for _, p := range waiting {
			e.replica.Forget(p)
		}
	}()
	for _, op := range due {
		p, err := e.replica.Submit(&consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: op}})
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
