package consensus

import (
	"context"
	"fmt"

	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// keepHouse truncates the log.
func (m *Member) keepHouse(ctx context.Context) error {
	ticker := m.cfg.Clock.NewTicker(housekeepingInterval)
	defer ticker.Stop()
	var truncated uint64
	for {
		index, err := m.look()
		if err != nil {
			return fmt.Errorf("find out what the log may forget: %w", err)
		}
		if index > truncated {
			select {
			case m.appender.truncate <- index:
				truncated = index
			default: // the last one is not done yet
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// look returns what truncatable does.
func (m *Member) look() (uint64, error) {
	tenure, ok := m.gate.enter()
	if !ok {
		return 0, nil
	}
	defer tenure.leave()
	return m.truncatable(tenure.store)
}

// truncatable returns the newest log index that nobody needs any more: it is in the state's files, not only in its
// memory, and members that are a little behind do not ask for it.
func (m *Member) truncatable(state *mvcc.Store) (uint64, error) {
	durable, err := state.DurableApplied()
	if err != nil {
		return 0, err
	}
	if len(m.members.list()) == 1 {
		return durable, nil
	}
	keep := max(m.cfg.SnapshotCount, logEntriesKeptMin)
	if durable <= keep {
		return 0, nil
	}
	if index, sending := m.cfg.Transport.OldestTransfer(); sending {
		return min(durable-keep, index), nil
	}
	return durable - keep, nil
}
