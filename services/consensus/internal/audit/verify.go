package audit

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// VerifierConfig says what is read, and when.
type VerifierConfig struct {
	// Interval is how often the state is read, 0 for never; SkipInitial spares it the reading at the start.
	Interval    time.Duration
	SkipInitial bool
	Gate        *gate.Gate
	Log         Log
	Trust       *Trust
	Ticks       replication.Ticks
	Logger      *slog.Logger
}

// Log is one of which the newer part was verified when it was opened.
type Log interface {
	// VerifyRest verifies the older part, at the pace of wait.
	VerifyRest(ctx context.Context, wait func(ctx context.Context, read int) error) error
}

// Verifier reads what this member has, to find what no checksum shows.
type Verifier struct {
	VerifierConfig
	// verified is closed once the first reading was tried, replaced has a token when there is another state to verify.
	verified, replaced chan struct{}
}

// NewVerifier returns one that has read nothing yet.
func NewVerifier(o VerifierConfig) *Verifier {
	return &Verifier{VerifierConfig: o, verified: make(chan struct{}), replaced: make(chan struct{}, 1)}
}

// Verified is closed once the first reading was tried.
func (v *Verifier) Verified() <-chan struct{} { return v.verified }

// Pace returns what holds the reading of a state of a size back, so that others get at the disk: nothing before the first reading was
// tried, which a member that starts waits for. What it returns waits until more may be read, or ctx ends; it is for one reader.
func (v *Verifier) Pace(size int64) func(ctx context.Context, read int) error {
	return pace(v.verified, size)
}

// Replaced says that there is another state to verify. It does not wait.
func (v *Verifier) Replaced() {
	select {
	case v.replaced <- struct{}{}:
	default:
	}
}

// RunState reads the whole state and compares it with its digest: at the start, every Interval, and when it
// was replaced.
func (v *Verifier) RunState(ctx context.Context) error {
	var again <-chan time.Time
	if v.Interval > 0 {
		ticks, stop := v.Ticks(v.Interval)
		defer stop()
		again = ticks
	}
	if !v.SkipInitial || !v.Gate.State().DigestKnown() {
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
func (v *Verifier) verify(ctx context.Context) {
	tenure, ok := v.Gate.Enter()
	if !ok {
		return
	}
	defer tenure.Leave()
	began := time.Now()
	first := v.readState(ctx, tenure)
	if !errors.Is(first, mvcc.ErrDamaged) {
		if first == nil {
			v.Logger.Debug("read the whole state, and it is as it was written", "took", time.Since(began))
		} else if ctx.Err() == nil && tenure.Over.Err() == nil {
			v.Logger.Warn("could not read the whole state to check it", "error", first)
		}
		return
	}
	switch second := v.readState(ctx, tenure); {
	case errors.Is(second, mvcc.ErrDamaged):
		v.Trust.condemn(tenure.Store, second.Error())
	case second == nil:
		v.Logger.Error("the state did not read as it was written, and did when it was read again: check the memory of this machine", "found", first)
	}
}

func (v *Verifier) readState(ctx context.Context, t *gate.Tenure) error {
	size, _ := t.Store.Size()
	return t.During(ctx, func(ctx context.Context) error { return t.Store.Verify(ctx, v.Pace(size)) })
}

// RunLog verifies what of the log was not read when it was opened, once the member serves. It is for members that are behind:
// this one goes on, and a read of a damaged entry fails.
func (v *Verifier) RunLog(ctx context.Context) error {
	select {
	case <-v.verified:
	case <-ctx.Done():
		return nil
	}
	began := time.Now()
	err := v.Log.VerifyRest(ctx, v.Pace(0))
	switch {
	case ctx.Err() != nil:
	case err != nil:
		v.Logger.Error("the older part of the raft log is not as it was written; members that are behind cannot be given it", "error", err)
	default:
		v.Logger.Debug("verified the older part of the raft log", "took", time.Since(began))
	}
	return nil
}
