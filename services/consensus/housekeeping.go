package consensus

import (
	"context"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// housekeeper keeps the log short.
type housekeeper struct {
	clock     Clock
	log       *logstore.Store
	gate      *gate.Gate
	members   *membership.Members
	replica   *replication.Replica
	transport Transport
	// entriesKept and bytesKept are what stays in the log for members that are behind.
	entriesKept, bytesKept uint64
	// bytesUnflushed is how much of the log may be of what the state has not flushed.
	bytesUnflushed uint64
	// timeUnflushed is how long that may have taken to apply.
	timeUnflushed time.Duration
	// flushAsked is what was applied when the log last had the state flushed, and timeAsked the time that this had taken.
	flushAsked uint64
	timeAsked  time.Duration
}

// run truncates the log.
func (h *housekeeper) run(ctx context.Context) error {
	ticker := h.clock.NewTicker(housekeepingInterval)
	defer ticker.Stop()
	var truncated uint64
	for {
		index, err := h.look()
		if err != nil {
			return fmt.Errorf("find out what the log may forget: %w", err)
		}
		if index > truncated {
			if h.replica.Truncate(index) {
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
func (h *housekeeper) look() (uint64, error) {
	tenure, ok := h.gate.Enter()
	if !ok {
		return 0, nil
	}
	defer tenure.Leave()
	durable, err := tenure.Store.DurableApplied()
	if err != nil {
		return 0, err
	}
	spent := h.replica.ApplyTime()
	if durable >= h.flushAsked && (h.log.BytesAbove(durable) > h.bytesUnflushed || spent-h.timeAsked > h.timeUnflushed) {
		h.flushAsked, h.timeAsked = h.replica.Applied(), spent
		if err := tenure.Store.FlushSoon(); err != nil {
			return 0, err
		}
	}
	return h.truncatable(durable), nil
}

// truncatable returns the newest log index that nobody needs any more: it is in the state's files, not only in its
// memory, and members that are a little behind, by entries or by bytes, do not ask for it.
func (h *housekeeper) truncatable(durable uint64) uint64 {
	if len(h.members.List()) == 1 {
		return durable
	}
	var index uint64
	if keep := max(h.entriesKept, logEntriesKeptMin); durable > keep {
		index = durable - keep
	}
	index = min(max(index, h.log.IndexKeeping(h.bytesKept)), durable)
	if transfer, sending := h.transport.OldestTransfer(); sending {
		index = min(index, transfer)
	}
	return index
}
