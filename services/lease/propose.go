package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// proposer asks the store, and tells the lessor where its answers say that it is. It gives up after the timeout, so that an answer
// that never comes does not hold the service up.
type proposer struct {
	core      *core
	consensus Consensus
	timeout   time.Duration
	unknown   prometheus.Counter // proposals of unknown outcome
}

// internal is for whom the service acts when no client asked.
var internal = &consensusv1.Caller{Internal: true}

// propose replicates a command for a caller.
func (p *proposer) propose(ctx context.Context, caller *consensusv1.Caller, c *consensusv1.Command) (*consensusv1.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	resp, err := p.consensus.Propose(ctx, &consensusv1.ProposeRequest{Command: c, Caller: caller})
	if err != nil {
		if !withoutEffect(err) {
			p.unknown.Inc()
		}
		return nil, err
	}
	p.see(resp.GetResult())
	return resp.GetResult(), nil
}

// checkpoint records remaining times under an epoch.
func (p *proposer) checkpoint(ctx context.Context, epoch uint64, r []*consensusv1.LeaseCheckpointOp_Remaining) error {
	_, err := p.propose(ctx, internal, &consensusv1.Command{Command: &consensusv1.Command_LeaseCheckpoint{
		LeaseCheckpoint: &consensusv1.LeaseCheckpointOp{Leases: r, Epoch: epoch},
	}})
	return err
}

// newestEpoch is the newest epoch that anybody acquired before the call.
func (p *proposer) newestEpoch(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	index, err := p.consensus.ReadIndex(ctx, &consensusv1.ReadIndexRequest{})
	if err != nil {
		return 0, fmt.Errorf("confirm lease epoch: %w", err)
	}
	p.see(index)
	return index.GetLeaseEpoch(), nil
}

// see tells the lessor where an answer says that the store is.
func (p *proposer) see(answer interface {
	GetRevision() int64
	GetRaftTerm() uint64
},
) {
	p.core.step(func(l *lessor.Lessor, _ lessor.Moment) {
		l.See(lessor.Position{Revision: answer.GetRevision(), Term: answer.GetRaftTerm()})
	})
}

// withoutEffect tells that a proposal that failed with err was certainly not accepted. Any other error leaves open
// whether it takes effect.
func withoutEffect(err error) bool {
	for _, refusal := range []error{
		errdefs.ErrTooManyRequests, errdefs.ErrTooLarge, errdefs.ErrNoSpace, errdefs.ErrCorrupt,
		errdefs.ErrLeaseNotFound, errdefs.ErrLeaseExists, errdefs.ErrLeaseTTLTooLarge, errdefs.ErrStaleEpoch,
		errdefs.ErrPermissionDenied, errdefs.ErrUserEmpty, errdefs.ErrUserNotFound, errdefs.ErrInvalidAuthToken, errdefs.ErrAuthOldRevision,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// outcomeOf is what came of a proposal that ended with err, where contradiction is the error that says that the lease is there, or
// that it is not.
func outcomeOf(err, contradiction error) lessor.Outcome {
	switch {
	case err == nil:
		return lessor.Done
	case errors.Is(err, contradiction):
		return lessor.Contradicted
	case withoutEffect(err):
		return lessor.Refused
	}
	return lessor.Unknown
}
