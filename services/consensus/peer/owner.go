package peer

import (
	"net/http"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/outbound"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// owner is the transport as its links see it. What they say after the member began to stop, nobody hears.
type owner struct{ t *Transport }

// Greeting implements outbound.Owner.
func (o owner) Greeting(to uint64) (wire.Greeting, bool) {
	r, leave, ok := o.t.enter()
	if !ok {
		return wire.Greeting{}, false
	}
	defer leave()
	return o.t.greeting(r, to), true
}

// InboundSince implements outbound.Owner.
func (o owner) InboundSince(id uint64) (time.Time, bool) { return o.t.inboundSince(id) }

// DropOffer implements outbound.Owner.
func (o owner) DropOffer(to uint64, m *raftpb.Message) {
	if r, leave, ok := o.t.enter(); ok {
		defer leave()
		r.sender.Abandoned(to, m)
	}
}

// ReportUnreachable implements outbound.Owner.
func (o owner) ReportUnreachable(id uint64) { o.report(Receiver.ReportUnreachable, id) }

// ReportDown implements outbound.Owner.
func (o owner) ReportDown(id uint64) { o.report(Receiver.ReportDown, id) }

// ReportRemoved implements outbound.Owner.
func (o owner) ReportRemoved(by uint64) { o.report(Receiver.ReportRemoved, by) }

// ReportBootstrapped implements outbound.Owner.
func (o owner) ReportBootstrapped(by uint64) { o.report(Receiver.ReportBootstrapped, by) }

func (o owner) report(what func(Receiver, uint64), id uint64) {
	if r, leave, ok := o.t.enter(); ok {
		defer leave()
		what(r.receiver, id)
	}
}

func (t *Transport) linkConfig() outbound.Config {
	return outbound.Config{Owner: owner{t}, Dial: t.dial, Log: t.log, Notices: t.notices, Metrics: t.metrics, Silence: t.cfg.silence(), Flush: t.flush}
}

// inward is the transport as the streams see it that lead to it.
type inward struct {
	t *Transport
	r *run
}

// Step implements inbound.Owner.
func (i inward) Step(m *raftpb.Message) error { return i.r.receiver.Step(m) }

// Consider implements inbound.Owner.
func (i inward) Consider(from uint64, offer []byte) error { return i.r.taker.Consider(from, offer) }

// IsMember implements inbound.Owner.
func (i inward) IsMember(id uint64) bool {
	i.t.mu.Lock()
	defer i.t.mu.Unlock()
	return i.t.mu.known.IsMember(id)
}

// network is the transport as the snapshots see it.
type network struct{ t *Transport }

// HTTPClient implements snapshot.Network.
func (n network) HTTPClient(to uint64) *http.Client { return n.t.HTTPClient(to) }

// URL implements snapshot.Network.
func (n network) URL(id uint64) (string, bool) { return n.t.URL(id) }

// AdvertiseURLs implements snapshot.Network.
func (n network) AdvertiseURLs() []string { return n.t.cfg.AdvertiseURLs }
