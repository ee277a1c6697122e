package replication

import (
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// meter times what an applier does, which has no clock. It belongs to the applier's goroutine. A nil one measures nothing.
type meter struct {
	metrics *Metrics
	// slow is how long a command may take to be applied until it is counted as slow, 0 for any time.
	slow time.Duration
	// last is when the last thing ended.
	last time.Time
	// own are the batches of this process in the round.
	own []*batch
}

// begin begins a round.
func (m *meter) begin() {
	if m != nil {
		m.last = time.Now()
		clear(m.own)
		m.own = m.own[:0]
	}
}

// take notes that a batch of this process is applied from now on.
func (m *meter) take(callers []*Proposal) {
	if m == nil || len(callers) == 0 {
		return
	}
	b := callers[0].batch
	if b.times.applying = b.times.committed; b.times.applying.IsZero() {
		b.times.applying = m.last // its message came by way of the log
	}
	m.own = append(m.own, b)
	m.metrics.replicate.Observe(b.times.applying.Sub(b.times.begun).Seconds())
}

// command notes that a command was applied.
func (m *meter) command(command *consensusv1.Command, err error) {
	if m == nil {
		return
	}
	now := time.Now()
	took := now.Sub(m.last)
	m.last = now
	if m.slow > 0 && took > m.slow {
		m.metrics.slowApplies.Inc()
	}
	m.metrics.apply[kindOf(command)][flag(err == nil)].Observe(took.Seconds())
}

// commit commits the round's batch.
func (m *meter) commit(batch Batch) error {
	if m == nil {
		return batch.Commit()
	}
	begun := time.Now()
	err := batch.Commit()
	ended := time.Now()
	m.metrics.committed.Observe(ended.Sub(begun).Seconds())
	for _, b := range m.own {
		b.times.applied, b.times.visible = begun, ended
	}
	return err
}

// answered notes that the callers of the round have their answers.
func (m *meter) answered() {
	if m == nil || len(m.own) == 0 {
		return
	}
	now := time.Now()
	for _, b := range m.own {
		m.metrics.applying.Observe(now.Sub(b.times.applying).Seconds())
	}
}
