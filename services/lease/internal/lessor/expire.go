package lessor

import (
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// TakeExpired returns up to limit leases to be revoked, and how long it takes until more may have to be; more says that it has to
// be asked again at once. While it is not sure that this service holds the newest epoch nothing has expired: the leases may have
// been kept alive elsewhere, or wanted to be. Until a lease is returned a keep-alive still saves it.
func (l *Lessor) TakeExpired(at Moment, limit int) (ids []int64, next time.Duration, more bool) {
	if l.role != Active || !l.time.inTouch(at) {
		return nil, ConfirmInterval, false
	}
	now := l.time.now(at)
	ids, more = l.table.takeExpired(now, limit)
	return ids, l.table.expiries.next().until(now), more && len(ids) == 0
}

// Expired tells whether the revoke of leases took effect, or has an unknown outcome and is to be proposed again.
func (l *Lessor) Expired(ids []int64, known bool) {
	if !known {
		l.table.again = append(l.table.again, ids...)
		return
	}
	l.table.revoked(ids)
}

// TakeCheckpoints returns up to limit leases whose remaining time is to be recorded, and whether there are more to look at.
func (l *Lessor) TakeCheckpoints(at Moment, limit int) (due []*consensusv1.LeaseCheckpointOp_Remaining, more bool) {
	return l.table.takeCheckpoints(l.time.now(at), limit)
}

// Checkpointed tells that the record of leases has an outcome, whatever it is.
func (l *Lessor) Checkpointed(ids []int64) { l.table.latches.release(ids...) }
