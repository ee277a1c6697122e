package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/audit"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
)

// joining is a member's way into the cluster, at each start.
type joining struct {
	cfg         Config
	incarnation uint64
	members     *membership.Members
	reader      *reader
	proposer    *proposer
	audit       *audit.Audit
	// ready is closed once the member serves.
	ready chan struct{}
	log   *slog.Logger
}

// join waits until the member has caught up, and makes its name and client URLs known.
func (j *joining) join(ctx context.Context) error {
	if err := j.reader.linearize(ctx); err != nil {
		return ended(ctx, err)
	}
	for !j.published() {
		err := j.publish(ctx)
		if err != nil && !retriable(err) {
			return ended(ctx, fmt.Errorf("publish the member's name and URLs: %w", err))
		}
		if err != nil {
			j.log.Warn("could not make the member's name and URLs known yet, trying again", "error", err)
		}
	}
	j.audit.CheckBeforeServing(ctx)
	close(j.ready)
	return nil
}

// publish makes the member's name and URLs known. It gives up after some election timeouts: a proposal that was lost on
// its way to a leader that stays is never answered.
func (j *joining) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, publishElections*j.cfg.electionTimeout(), errdefs.ErrTimeout)
	defer cancel()
	_, err := j.proposer.internal(ctx, &consensusv1.Command{Command: &consensusv1.Command_Publish{Publish: &consensusv1.PublishOp{
		MemberId:   j.cfg.MemberID,
		Name:       j.cfg.Name,
		ClientUrls: j.cfg.ClientURLs,

		Incarnation: j.incarnation,
	}}})
	return err
}

// retriable tells the errors of proposals that may have been lost on their way.
func retriable(err error) bool {
	for _, passing := range []error{errdefs.ErrLeaderChanged, errdefs.ErrLeaderFailed, errdefs.ErrConnectionLost, errdefs.ErrTimeout, errdefs.ErrTooManyRequests} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// leave ends the member some time after it was removed: until then it helps the others to learn of it, all the more if
// it led them.
func leave(ctx context.Context, cfg Config, removed <-chan struct{}) error {
	select {
	case <-removed:
	case <-ctx.Done():
		return nil
	}
	ticker := cfg.Clock.NewTicker(cfg.electionTimeout())
	defer ticker.Stop()
	select {
	case <-ticker.C():
		return ErrRemoved
	case <-ctx.Done():
		return nil
	}
}

func (j *joining) published() bool {
	member := j.members.Find(j.cfg.MemberID)
	return member.GetName() == j.cfg.Name && slices.Equal(member.GetClientUrls(), j.cfg.ClientURLs) && member.GetIncarnation() == j.incarnation
}

// ended turns the error of an owner that stopped because ctx did into nil.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
