package peer

import (
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// incarnation is what is known of a member's data, 0 for nothing.
func (t *Transport) incarnation(id uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.incarnationLocked(id)
}

func (t *Transport) incarnationLocked(id uint64) uint64 {
	for _, m := range t.mu.members {
		if m.GetId() == id {
			return m.GetIncarnation()
		}
	}
	return 0
}

// unwelcomeLocked tells whether a stream that was let in would not be now: its peer was removed, or turns out to have other
// data than it had.
func (t *Transport) unwelcomeLocked(in *inbound) bool {
	return t.mu.removed[in.from] || wire.OtherData(t.incarnationLocked(in.from), in.incarnation)
}
