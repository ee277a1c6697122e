package peer

import (
	"context"
	"net/http"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/admission"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// admit checks who asks. A refusal is logged here as well: the operator may look at either end.
func (t *Transport) admit(r *run, req *http.Request, who admission.Who) (wire.Greeting, *wire.Refusal) {
	g, refusal := wire.ReadGreeting(req.Header)
	t.mu.Lock()
	if refusal == nil {
		var ask bool
		refusal, ask = t.mu.known.Admit(g, admission.Self{Cluster: r.cluster, Member: r.self, Incarnation: r.incarnation}, who)
		if ask && t.mu.running == r && t.mu.known.Ask(time.Now()) {
			members := t.mu.known.Members()
			r.working.Go(func() { t.ask(r, members) })
		}
	}
	known, label := t.mu.known.Known(g.From), t.mu.known.Label(g.From)
	t.mu.Unlock()
	if refusal != nil {
		t.metrics.ReceivedFailures.WithLabelValues(label).Inc()
		t.notices.Warn(known, "a request of a member is refused", "from", identity.Format(g.From), "path", wire.Clip(req.URL.Path, wire.VersionBytesMax),
			"address", req.RemoteAddr, "reason", refusal.Reason, "error", refusal.Text)
		return g, refusal
	}
	g.URLs = wire.ReadURLs(req.Header)
	return g, nil
}

// A member that has not heard of another yet believes those whom it knows: it asks them who belongs to the cluster. That
// is for one that joins, and knows the members that there were when it was added. One that was away while others were
// added is shown a proof (wire.Greeting.Prove), which needs none of those that it knew to be left.

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
				t.mu.Lock()
				t.mu.known.Vouch(listed)
				t.mu.Unlock()
				break
			}
		}
	}
}
