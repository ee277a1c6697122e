package peer

import (
	"net/http"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// admission says who may make a request.
type admission int

const (
	membersOnly admission = iota
	// guestsToo lets in those, too, of whom this member has not heard, and who are members all the same. A member that was
	// cut off learns of members that were added meanwhile only from the appends that they send it.
	guestsToo
)

// admit checks who asks. A refusal is logged here as well: the operator may look at either end.
func (t *Transport) admit(r *run, req *http.Request, who admission) (wire.Greeting, *wire.Refusal) {
	g, refusal := wire.ReadGreeting(req.Header)
	if refusal == nil {
		refusal = g.Check(r.cluster, r.self, t.isRemoved(g.From), t.incarnation(g.From))
	}
	if refusal == nil && !t.isMember(g.From) {
		refusal = t.receive(r, g, who)
	}
	if refusal != nil {
		t.metrics.ReceivedFailures.WithLabelValues(t.label(g.From)).Inc()
		t.notices.Warn(t.known(g.From), "a request of a member is refused", "from", identity.Format(g.From), "path", wire.Clip(req.URL.Path, wire.VersionBytesMax),
			"address", req.RemoteAddr, "reason", refusal.Reason, "error", refusal.Text)
		return g, refusal
	}
	g.URLs = wire.ReadURLs(req.Header)
	return g, nil
}

// receive decides about one that is no member as far as this member knows.
func (t *Transport) receive(r *run, g wire.Greeting, who admission) *wire.Refusal {
	if who == guestsToo && (g.Proven(r.incarnation) || t.isVouched(g.From)) {
		return nil
	}
	if who == guestsToo {
		t.inquire(r)
	}
	return wire.Refuse(wire.RefusedStranger, "member %x is no member of the cluster, as far as member %x knows: it may just have been added", g.From, r.self)
}

func (t *Transport) isMember(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.isMemberLocked(id)
}

func (t *Transport) isMemberLocked(id uint64) bool {
	for _, m := range t.mu.members {
		if m.GetId() == id {
			return true
		}
	}
	return false
}

// known returns id if it is, or was, a member's, and else 0: what is kept by id must not grow with what strangers call
// themselves.
func (t *Transport) known(id uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isMemberLocked(id) || t.mu.removed[id] || t.mu.vouched[id] {
		return id
	}
	return 0
}

// strangers is the label of metrics about whoever is no member.
const strangers = "unknown"

func (t *Transport) label(id uint64) string {
	if id = t.known(id); id != 0 {
		return identity.Format(id)
	}
	return strangers
}
