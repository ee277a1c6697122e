package peer

import (
	"context"
	"net/http"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A member that has not heard of another yet believes those whom it knows: it asks them who belongs to the cluster. That
// is for one that joins, and knows the members that there were when it was added. One that was away while others were
// added is shown a proof (wire.Greeting.Prove), which needs none of those that it knew to be left.

// inquire has the members asked, unless they are being asked or were a moment ago.
func (t *Transport) inquire(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.running != r || time.Since(t.mu.inquired) < inquiryInterval {
		return
	}
	t.mu.inquired = time.Now()
	members := t.mu.members
	r.working.Go(func() { t.ask(r, members) })
}

// ask takes the word of those members that answer.
func (t *Transport) ask(r *run, members []*consensusv1.Member) {
	client := &http.Client{Transport: t.requests}
	ctx, cancel := context.WithTimeout(r.ctx, fetchTimeout)
	defer cancel()
	for _, m := range members {
		if m.GetId() == r.self {
			continue
		}
		for _, url := range m.GetPeerUrls() {
			cluster, listed, err := fetchMembers(ctx, client, url)
			if err == nil && cluster == r.cluster {
				t.vouch(listed)
				break
			}
		}
	}
}

// vouch remembers who belongs to the cluster, of those that this member has not heard of.
func (t *Transport) vouch(listed []*consensusv1.Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range listed {
		if len(t.mu.vouched) < vouchedMax && !t.isMemberLocked(m.GetId()) && !t.mu.removed[m.GetId()] {
			t.mu.vouched[m.GetId()] = true
		}
	}
}

func (t *Transport) isVouched(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.vouched[id]
}
