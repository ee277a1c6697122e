package lease

import (
	"context"
	"errors"
)

// errUnsettled ends a hold because the outcome of a client's grant or revoke is unknown: it may take effect at any time, as
// long as the epoch is the newest.
var errUnsettled = errors.New("the outcome of a grant or a revoke is unknown")

// unsettled are ids of which the table cannot tell whether there is such a lease. Each stays claimed, so that nobody is told
// anything of it, until that is known: first no proposal that was lost may take effect any more, for which the epoch has to
// be a newer one, then the table is compared with the store.
type unsettled struct {
	// lost are those whose grant or revoke was lost under the epoch that is held. Nothing but the next epoch settles them.
	lost map[int64]struct{}
	// revokes are doomed leases whose revoke, which a client asked for, was lost under the epoch that is held. Under the
	// next one it is proposed again.
	revokes []int64
	// open are those that the next comparison settles, and settling those that the one under way does.
	open, settling map[int64]struct{}
}

// lose leaves a claimed id to the next epoch and the comparison that follows.
func (t *table) lose(id int64) { t.lost[id] = struct{}{} }

// loseRevoke leaves a claimed lease, which must be revoked, to the next epoch.
func (t *table) loseRevoke(e *entry) {
	t.doom(e)
	t.revokes = append(t.revokes, e.id)
}

// inquire leaves a claimed id to the next comparison.
func (t *table) inquire(id int64) { t.open[id] = struct{}{} }

// beginEpoch tells that nothing can take effect any more that was proposed before.
func (t *table) beginEpoch() {
	for id := range t.lost {
		t.open[id] = struct{}{}
	}
	clear(t.lost)
	t.again = append(t.again, t.revokes...)
	t.revokes = nil
}

// settle gives ids free of which it is known what exists.
func (t *table) settle(ids map[int64]struct{}) {
	for id := range ids {
		t.release(id)
	}
}

// unsettledClaim is the claim of an id if it is not settled, or with id 0 that of any that is not; nil for none.
func (t *table) unsettledClaim(id int64) *claim {
	for _, ids := range []map[int64]struct{}{t.lost, t.open, t.settling} {
		if _, is := ids[id]; is {
			return t.claims[id]
		}
		for any := range ids {
			if id != 0 {
				break
			}
			return t.claims[any]
		}
	}
	return nil
}

// settle ends the hold once something was lost under its epoch, after a pause in which more of it may gather.
func (s *Service) settle(ctx context.Context) error {
	for {
		if err := pause(ctx, settlePause); err != nil {
			return err
		}
		select {
		case <-s.settleNow:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.mu.Lock()
		lost := len(s.mu.table.lost) + len(s.mu.table.revokes)
		s.mu.Unlock()
		if lost > 0 {
			return errUnsettled
		}
	}
}
