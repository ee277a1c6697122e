package consensus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// verifier reads what this member has, to find what no checksum shows.
type verifier struct {
	check   StateCheck
	clock   Clock
	gate    *gate.Gate
	raftLog *logstore.Store
	trust   *trust
	log     *slog.Logger
	// verified is closed once the first reading was tried, replaced has a token when there is another state to verify.
	verified, replaced chan struct{}
}

func newVerifier(cfg Config, gate *gate.Gate, raftLog *logstore.Store, trust *trust) *verifier {
	return &verifier{
		check: cfg.StateCheck, clock: cfg.Clock, gate: gate, raftLog: raftLog, trust: trust, log: cfg.Logger,
		verified: make(chan struct{}), replaced: make(chan struct{}, 1),
	}
}

// verifyState reads the whole state and compares it with its digest: at the start, every StateCheck.Interval, and when it
// was replaced.
func (v *verifier) verifyState(ctx context.Context) error {
	var again <-chan time.Time
	if interval := v.check.Interval; interval > 0 {
		ticker := v.clock.NewTicker(interval)
		defer ticker.Stop()
		again = ticker.C()
	}
	if !v.check.SkipInitial || !v.gate.State().DigestKnown() {
		v.verify(ctx)
	}
	close(v.verified)
	for {
		select {
		case <-again:
			v.verify(ctx)
		case <-v.replaced:
			v.verify(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// verify reads the state once, and twice where it finds damage: what the second reading does not show was in memory.
func (v *verifier) verify(ctx context.Context) {
	tenure, ok := v.gate.Enter()
	if !ok {
		return
	}
	defer tenure.Leave()
	began := time.Now()
	first := v.readState(ctx, tenure)
	if !errors.Is(first, mvcc.ErrDamaged) {
		if first == nil {
			v.log.Debug("read the whole state, and it is as it was written", "took", time.Since(began))
		} else if ctx.Err() == nil && tenure.Over.Err() == nil {
			v.log.Warn("could not read the whole state to check it", "error", first)
		}
		return
	}
	switch second := v.readState(ctx, tenure); {
	case errors.Is(second, mvcc.ErrDamaged):
		v.trust.condemn(tenure.Store, second.Error())
	case second == nil:
		v.log.Error("the state did not read as it was written, and did when it was read again: check the memory of this machine", "found", first)
	}
}

func (v *verifier) readState(ctx context.Context, t *gate.Tenure) error {
	size, _ := t.Store.Size()
	return t.During(ctx, func(ctx context.Context) error { return t.Store.Verify(ctx, newPace(v.verified, size).take) })
}

// verifyLog verifies what of the log was not read when it was opened, once the member serves. It is for members that are behind:
// this one goes on, and a read of a damaged entry fails.
func (v *verifier) verifyLog(ctx context.Context) error {
	select {
	case <-v.verified:
	case <-ctx.Done():
		return nil
	}
	began := time.Now()
	err := v.raftLog.VerifyRest(ctx, newPace(v.verified, 0).take)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		v.log.Error("the older part of the raft log is not as it was written; members that are behind cannot be given it", "error", err)
	default:
		v.log.Debug("verified the older part of the raft log", "took", time.Since(began))
	}
	return nil
}

// pace holds the reading of a state back, so that others get at the disk: none before the member serves, and as much
// later that it takes verifyTime, or reads verifyBytesPerSecond.
type pace struct {
	bytesPerSecond float64
	began          time.Time
	read           int
	free           bool
}

func newPace(verified <-chan struct{}, size int64) *pace {
	p := &pace{bytesPerSecond: max(verifyBytesPerSecond, float64(size)/verifyTime.Seconds()), began: time.Now()}
	select {
	case <-verified:
	default:
		p.free = true
	}
	return p
}

// take waits until what was read is not too much for the time since the beginning, or ctx ends.
func (p *pace) take(ctx context.Context, read int) error {
	if p.free {
		if time.Since(p.began) < initialCheckMax {
			return nil
		}
		p.free, p.began, p.read = false, time.Now(), 0
	}
	p.read += read
	timer := time.NewTimer(time.Until(p.began.Add(time.Duration(float64(p.read) / p.bytesPerSecond * float64(time.Second)))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
