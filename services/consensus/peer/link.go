package peer

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// link is the way to one peer: a queue, and a goroutine that keeps a stream to the peer and writes the queue to it.
type link struct {
	t     *Transport
	id    uint64
	queue *queue
	// urls are all that are tried: the recorded ones, and then those that the peer brought (moved.go).
	urls atomic.Pointer[[]string]

	cancel context.CancelFunc // ends run, nil until there is one; under the transport's lock
	// kick ends a pause: the peer gave a sign of life, or has other URLs.
	kick chan struct{}
	// refused counts the attempts in a row that met a host where nothing listens; run's alone.
	refused int
	// tried is closed once the first attempt has come to something or nothing.
	tried     chan struct{}
	triedOnce sync.Once
	// full is set from when the queue refused an append until it is read again, so that raft is told once.
	full atomic.Bool

	count linkMetrics

	mu struct {
		sync.Mutex
		recorded, brought []string

		url   string    // of the last stream
		since time.Time // zero while there is no stream
		lost  time.Time // when the last one broke
		rtt   time.Duration
	}
}

// linkMetrics are the metrics of one peer, looked up once.
type linkMetrics struct {
	sentBytes, sent, dropped, failures, disconnected prometheus.Counter
	roundTrip                                        prometheus.Observer
}

// errOtherURLs ends a stream whose peer has moved.
var errOtherURLs = errors.New("the peer has other URLs now")

func newLink(t *Transport, id uint64, urls []string) *link {
	l := &link{t: t, id: id, queue: newQueue(), kick: make(chan struct{}, 1), tried: make(chan struct{})}
	l.mu.recorded = urls
	l.urls.Store(&urls)
	label := identity.Format(id)
	l.count = linkMetrics{
		sentBytes:    t.metrics.SentBytes.WithLabelValues(label),
		sent:         t.metrics.Messages.WithLabelValues(label),
		dropped:      t.metrics.Dropped.WithLabelValues(label),
		failures:     t.metrics.SentFailures.WithLabelValues(label),
		disconnected: t.metrics.Disconnected.WithLabelValues(label),
		roundTrip:    t.metrics.RoundTrip.WithLabelValues(label),
	}
	return l
}

// start runs the link as part of r; a link to the member itself has nothing to do. The caller holds the transport's
// lock.
func (l *link) start(r *run) {
	if l.id == r.self {
		l.triedOnce.Do(func() { close(l.tried) })
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	l.cancel = cancel
	r.working.Go(func() {
		defer cancel()
		l.run(ctx, r)
	})
}

// put queues i or drops it.
func (l *link) put(i item) {
	if l.queue.put(i) {
		return
	}
	l.count.dropped.Inc()
	l.t.notices.Warn(l.id, "messages to a peer are dropped: it does not take them fast enough")
	l.abandon(i)
	if i.message.GetType() == raftpb.MsgApp && l.full.CompareAndSwap(false, true) {
		l.reportUnreachable()
	}
}

// abandon ends the transfer whose offer is dropped.
func (l *link) abandon(i item) {
	if i.offer == nil {
		return
	}
	if r, leave, ok := l.t.enter(); ok {
		defer leave()
		r.sender.Abandoned(l.id, i.message)
	}
}

func (l *link) reportUnreachable() {
	if r, leave, ok := l.t.enter(); ok {
		defer leave()
		r.receiver.ReportUnreachable(l.id)
	}
}

// bestURL is the URL of the last stream while the peer has it, and else its first.
func (l *link) bestURL() (string, bool) {
	urls := *l.urls.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(urls, l.mu.url) {
		return l.mu.url, true
	}
	return slices.Concat(urls, []string{""})[0], len(urls) > 0
}

// tryNow ends a pause between attempts.
func (l *link) tryNow() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// run keeps a stream to the peer until ctx ends.
func (l *link) run(ctx context.Context, r *run) {
	pause := backoffMin
	for attempt := 0; ; attempt++ {
		urls := *l.urls.Load()
		if len(urls) > 0 {
			url := urls[attempt%len(urls)]
			if l.attempt(ctx, r, url) {
				pause = backoffMin
				attempt-- // this URL works
			}
			if ctx.Err() != nil {
				return
			}
			if !l.lastURL(attempt, len(urls)) {
				continue
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-l.kick:
			pause = backoffMin
		case <-time.After(pause/2 + rand.N(pause/2)):
			pause = min(2*pause, backoffMax)
		}
	}
}

// lastURL tells whether all URLs have been tried, so that it is time for a pause.
func (l *link) lastURL(attempt, urls int) bool { return (attempt+1)%urls == 0 }

// attempt makes a stream to url and uses it as long as it lasts. It returns whether that was long enough to call the
// URL a good one.
func (l *link) attempt(ctx context.Context, r *run, url string) bool {
	s, err := l.connect(ctx, r, url)
	if err == nil {
		l.established(r, url)
	}
	l.triedOnce.Do(func() { close(l.tried) })
	if err != nil {
		l.lost(ctx, r, url, err)
		l.noteRefused(r, err)
		return false
	}
	l.refused = 0
	since := time.Now()
	err = s.serve(ctx)
	l.count.disconnected.Inc()
	l.t.metrics.Active.WithLabelValues(identity.Format(r.self), identity.Format(l.id)).Set(0)
	l.setBroken(time.Now())
	l.lost(ctx, r, url, err)
	return time.Since(since) > backoffMax
}

// noteRefused says that the peer's process has ended once each of its URLs leads to a host where nothing listens, and
// the peer does not send either.
func (l *link) noteRefused(r *run, err error) {
	if !errors.Is(err, syscall.ECONNREFUSED) {
		l.refused = 0
		return
	}
	l.refused++
	if _, heard := l.t.inboundSince(l.id); !heard && l.refused >= len(*l.urls.Load()) {
		r.receiver.ReportDown(l.id)
	}
}

// established notes that there is a stream to the peer. The peer counts as reached since its own stream came in, if that
// was before: which of the two is made first says nothing of how well they reach each other.
func (l *link) established(r *run, url string) {
	since := time.Now()
	if in, ok := l.t.inboundSince(l.id); ok && in.Before(since) {
		since = in
	}
	l.t.metrics.Active.WithLabelValues(identity.Format(r.self), identity.Format(l.id)).Set(1)
	l.setActive(url, since)
	l.answered(url)
	l.t.notices.Settled(l.id)
	l.t.log.Info("connected to a peer", "peer", identity.Format(l.id), "url", url)
}

func (l *link) setActive(url string, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since.Before(l.mu.lost) {
		since = l.mu.lost
	}
	l.mu.url, l.mu.since = url, since
}

func (l *link) setBroken(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.since, l.mu.lost, l.mu.rtt = time.Time{}, at, 0
}

// lost says that the peer cannot be reached, and drops what waited for it: most of it raft will say anew, and old
// messages only make a peer that comes back busy.
func (l *link) lost(ctx context.Context, r *run, url string, err error) {
	if ctx.Err() != nil || errors.Is(err, errOtherURLs) {
		return
	}
	l.count.failures.Inc()
	var refusal *wire.Refusal
	if errors.As(err, &refusal) {
		l.t.notices.WarnWhy(l.id, "a peer refuses this member", errors.New(refusal.Text), "url", url, "reason", refusal.Reason)
		switch refusal.Reason {
		case wire.RefusedRemoved:
			r.receiver.ReportRemoved(l.id)
		case wire.RefusedBootstrapped:
			r.receiver.ReportBootstrapped(l.id)
		default: // it may pass
		}
	} else {
		l.t.notices.WarnWhy(l.id, "a peer cannot be reached", err, "url", url)
	}
	for _, i := range l.queue.drop() {
		l.count.dropped.Inc()
		l.abandon(i)
	}
	l.full.Store(false)
	r.receiver.ReportUnreachable(l.id)
}
