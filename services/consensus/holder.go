package consensus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// leaseHolder is what the leader knows of the lease service that may expire leases: when it was last heard of. It is in
// memory alone. A new leader gives the holder all its time again, so that a change of leaders takes leases from nobody.
type leaseHolder struct {
	mu struct {
		sync.Mutex
		epoch uint64 // the newest when the holder was last heard of
		term  uint64 // in which this member led then
		heard time.Time
	}
}

// HoldLeases notes that the holder of an epoch is there, unless the epoch is 0, and tells how long the newest epoch's
// holder has been silent; one caller at a time whose patience is over is told to take over. Where there was no holder yet
// that is the first that asks. Only the leader can tell: errdefs.ErrNotLeader. It waits for nothing.
func (m *Member) HoldLeases(_ context.Context, req *consensusv1.HoldLeasesRequest) (*consensusv1.HoldLeasesResponse, error) {
	term := m.replica.Term()
	if !m.replica.Leads() {
		return nil, fmt.Errorf("hold leases: %w", errdefs.ErrNotLeader)
	}
	newest, now := m.gate.State().LeaseEpoch(), time.Now()
	holds := req.GetEpoch() != 0 && req.GetEpoch() == newest
	h := &m.holder
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case newest == 0 && h.mu.term == 0: // nobody was ever here
		h.mu.term = term
	case h.mu.term != term || h.mu.epoch != newest || holds:
		h.mu.term, h.mu.epoch, h.mu.heard = term, newest, now
	}
	if holds && req.GetLeaving() {
		h.mu.heard = time.Time{}
	}
	answer := &consensusv1.HoldLeasesResponse{Epoch: newest, Silence: int64(now.Sub(h.mu.heard))}
	if patience := req.GetPatience(); patience > 0 && answer.GetSilence() > patience {
		answer.TakeOver = true
		h.mu.heard = now // the next one is told when this one stays silent too
	}
	return answer, nil
}
