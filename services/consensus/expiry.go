package consensus

import (
	"context"
	"fmt"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
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

// expireTree ends the files and directories of the tree whose time has come, while this member leads. Their expirations
// are moments of the wall clock, so that a restart does not prolong them: it is the leader's that counts.
func (m *Member) expireTree(ctx context.Context) error {
	ticker := m.cfg.Clock.NewTicker(treeExpiryInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C():
			if !m.replica.Leads() {
				continue
			}
			if err := m.expireDue(ctx, now.UnixNano()); err != nil {
				return fmt.Errorf("find what has expired: %w", err)
			}
		}
	}
}

// expireDue proposes the end of everything that is due, in the order of expirations: each end has a revision of its own.
// An error is the store's; what could not be proposed is left to the next look.
func (m *Member) expireDue(ctx context.Context, now int64) error {
	for {
		due, err := m.due(now)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := m.proposeExpired(ctx, due); err != nil {
			if ctx.Err() == nil {
				m.log.Warn("could not expire files and directories, trying again", "count", len(due), "error", err)
			}
			return nil
		}
	}
}

// due returns what has expired.
func (m *Member) due(now int64) ([]*consensusv1.TreeOp, error) {
	tenure, ok := m.gate.enter()
	if !ok {
		return nil, nil
	}
	defer tenure.leave()
	return tenure.store.Due(now, treeExpiryMax)
}

// proposeExpired proposes operations one behind the other and waits for all.
func (m *Member) proposeExpired(ctx context.Context, due []*consensusv1.TreeOp) error {
	ctx, cancel := context.WithTimeout(ctx, treeExpiryTimeout)
	defer cancel()
	var waiting []*replication.Proposal
	defer func() {
		for _, p := range waiting {
			m.replica.Forget(p)
		}
	}()
	for _, op := range due {
		p, err := m.replica.Submit(&consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: op}})
		if err != nil {
			return err
		}
		waiting = append(waiting, p)
	}
	for _, p := range waiting {
		if _, err := m.replica.Wait(ctx, p); err != nil {
			return err
		}
	}
	return nil
}
