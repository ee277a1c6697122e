package consensus

import (
	"context"
	"fmt"
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
			if m.replica.Truncate(index) {
				truncated = index
			} // else the last one is not done yet
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// look returns what truncatable does, after it has had the state flushed where the log asks for it.
func (m *Member) look() (uint64, error) {
	tenure, ok := m.gate.enter()
	if !ok {
		return 0, nil
	}
	defer tenure.leave()
	durable, err := tenure.store.DurableApplied()
	if err != nil {
		return 0, err
	}
	if durable >= m.flushAsked && m.stores.log.BytesAbove(durable) > logUnflushedBytes {
		m.flushAsked = m.replica.Applied()
		if err := tenure.store.FlushSoon(); err != nil {
			return 0, err
		}
	}
	return m.truncatable(durable), nil
}

// truncatable returns the newest log index that nobody needs any more: it is in the state's files, not only in its
// memory, and members that are a little behind, by entries or by bytes, do not ask for it.
func (m *Member) truncatable(durable uint64) uint64 {
	if len(m.members.list()) == 1 {
		return durable
	}
	var index uint64
	if keep := max(m.cfg.SnapshotCount, logEntriesKeptMin); durable > keep {
		index = durable - keep
	}
	index = min(max(index, m.stores.log.IndexKeeping(m.logKept)), durable)
	if transfer, sending := m.cfg.Transport.OldestTransfer(); sending {
		index = min(index, transfer)
	}
	return index
}
