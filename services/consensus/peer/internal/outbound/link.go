package outbound

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/dial"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/metrics"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/notices"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// Owner is the member that a link belongs to. Its methods do not wait.
type Owner interface {
	// Greeting is what the member says of itself to another; false where it is stopping.
	Greeting(to uint64) (wire.Greeting, bool)
	// InboundSince tells since when there has been a stream from a peer; false when there is none.
	InboundSince(id uint64) (time.Time, bool)
	// DropOffer says that a snapshot's offer was dropped, which stands for m.
	DropOffer(to uint64, m *raftpb.Message)

	// ReportUnreachable says that messages to a peer were lost.
	ReportUnreachable(id uint64)
	// ReportDown says that nothing listens where the peer is, and nothing comes from it.
	ReportDown(id uint64)
	// ReportRemoved and ReportBootstrapped say that the peer with id by refuses the member, because it was removed, or because it
	// is known with other data.
	ReportRemoved(by uint64)
	ReportBootstrapped(by uint64)
}

// Config is what the links of a member have in common.
type Config struct {
	Owner   Owner
	Dial    *dial.Dialer
	Log     *slog.Logger
	Notices *notices.Notices
	Metrics *metrics.Metrics
	// Silence is how long a stream may be without a sign of life.
	Silence time.Duration
	// Flush is how long a stopping link tries to get rid of what is queued.
	Flush time.Duration
}

// Link is the way to one peer: a queue, and a goroutine that keeps a stream to the peer and writes the queue to it.
type Link struct {
	cfg   Config
	id    uint64
	self  uint64 // the member, once it runs
	queue *queue
	// urls are all that are tried: the recorded ones, and then those that the peer brought (Bring).
	urls atomic.Pointer[[]string]

	cancel context.CancelFunc // ends run, nil until there is one; of whoever calls Start and Stop
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
	sentBytes, sent, dropped, failures prometheus.Counter
	roundTrip                          prometheus.Observer
}

// errOtherURLs ends a stream whose peer has moved.
var errOtherURLs = errors.New("the peer has other URLs now")

// New returns a link that does not run yet, to the peer that is recorded at urls.
func New(cfg Config, id uint64, urls []string) *Link {
	l := &Link{cfg: cfg, id: id, queue: newQueue(), kick: make(chan struct{}, 1), tried: make(chan struct{})}
	l.mu.recorded = urls
	l.urls.Store(&urls)
	label := identity.Format(id)
	l.count = linkMetrics{
		sentBytes: cfg.Metrics.SentBytes.WithLabelValues(label),
		sent:      cfg.Metrics.Messages.WithLabelValues(label),
		dropped:   cfg.Metrics.Dropped.WithLabelValues(label),
		failures:  cfg.Metrics.SentFailures.WithLabelValues(label),
		roundTrip: cfg.Metrics.RoundTrip.WithLabelValues(label),
	}
	return l
}

// Start runs the link until ctx ends or Stop is called, counted in working; a link to the member itself has nothing to do.
// Start and Stop may not be called at a time.
func (l *Link) Start(ctx context.Context, self uint64, working *sync.WaitGroup) {
	if l.id == self {
		l.triedOnce.Do(func() { close(l.tried) })
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	l.self, l.cancel = self, cancel
	working.Go(func() {
		defer cancel()
		l.run(ctx)
	})
}

// Stop has the link end.
func (l *Link) Stop() {
	if l.cancel != nil {
		l.cancel()
	}
}

// Put queues a message or drops it. The caller calls Wake once it has put all it has.
func (l *Link) Put(m *raftpb.Message) { l.put(item{message: m}) }

// PutOffer queues the offer of a snapshot in its encoded form, which stands for m.
func (l *Link) PutOffer(m *raftpb.Message, offer []byte) { l.put(item{message: m, offer: offer}) }

// Wake has written what was put.
func (l *Link) Wake() { l.queue.wake() }

// Tried is closed once the first attempt has come to something or nothing.
func (l *Link) Tried() <-chan struct{} { return l.tried }

// URLs are all that are tried, the recorded ones first.
func (l *Link) URLs() []string { return *l.urls.Load() }

// ActiveSince returns since when the peer has been reached without interruption; false when there is no stream to it.
func (l *Link) ActiveSince() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.since, !l.mu.since.IsZero()
}

// RTT returns how long the last sign of life took; false when there is none.
func (l *Link) RTT() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.rtt, l.mu.rtt > 0
}

// put queues i or drops it.
func (l *Link) put(i item) {
	if l.queue.put(i) {
		return
	}
	l.count.dropped.Inc()
	l.cfg.Notices.Warn(l.id, "messages to a peer are dropped: it does not take them fast enough")
	l.abandon(i)
	if i.message.GetType() == raftpb.MsgApp && l.full.CompareAndSwap(false, true) {
		l.cfg.Owner.ReportUnreachable(l.id)
	}
}

// abandon ends the transfer whose offer is dropped.
func (l *Link) abandon(i item) {
	if i.offer != nil {
		l.cfg.Owner.DropOffer(l.id, i.message)
	}
}

// BestURL is the URL of the last stream while the peer has it, and else its first.
func (l *Link) BestURL() (string, bool) {
	urls := *l.urls.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(urls, l.mu.url) {
		return l.mu.url, true
	}
	return slices.Concat(urls, []string{""})[0], len(urls) > 0
}

// tryNow ends a pause between attempts.
func (l *Link) tryNow() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// run keeps a stream to the peer until ctx ends.
func (l *Link) run(ctx context.Context) {
	pause := backoffMin
	for attempt := 0; ; attempt++ {
		urls := *l.urls.Load()
		if len(urls) > 0 {
			url := urls[attempt%len(urls)]
			if l.attempt(ctx, url) {
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
func (l *Link) lastURL(attempt, urls int) bool { return (attempt+1)%urls == 0 }

// attempt makes a stream to url and uses it as long as it lasts. It returns whether that was long enough to call the
// URL a good one.
func (l *Link) attempt(ctx context.Context, url string) bool {
	s, err := l.connect(ctx, url)
	if err == nil {
		l.established(url)
	}
	l.triedOnce.Do(func() { close(l.tried) })
	if err != nil {
		l.lost(ctx, url, err)
		l.noteRefused(err)
		return false
	}
	l.refused = 0
	since := time.Now()
	err = s.serve(ctx)
	l.cfg.Metrics.Disconnected.WithLabelValues(identity.Format(l.self), identity.Format(l.id)).Inc()
	l.cfg.Metrics.Active.WithLabelValues(identity.Format(l.self), identity.Format(l.id)).Set(0)
	l.setBroken(time.Now())
	l.lost(ctx, url, err)
	return time.Since(since) > backoffMax
}

// noteRefused says that the peer's process has ended once each of its URLs leads to a host where nothing listens, and
// the peer does not send either.
func (l *Link) noteRefused(err error) {
	if !errors.Is(err, syscall.ECONNREFUSED) {
		l.refused = 0
		return
	}
	l.refused++
	if _, heard := l.cfg.Owner.InboundSince(l.id); !heard && l.refused >= len(*l.urls.Load()) {
		l.cfg.Owner.ReportDown(l.id)
	}
}

// established notes that there is a stream to the peer. The peer counts as reached since its own stream came in, if that
// was before: which of the two is made first says nothing of how well they reach each other.
func (l *Link) established(url string) {
	since := time.Now()
	if in, ok := l.cfg.Owner.InboundSince(l.id); ok && in.Before(since) {
		since = in
	}
	l.cfg.Metrics.Active.WithLabelValues(identity.Format(l.self), identity.Format(l.id)).Set(1)
	l.setActive(url, since)
	l.answered(url)
	l.cfg.Notices.Settled(l.id)
	l.cfg.Log.Info("connected to a peer", "peer", identity.Format(l.id), "url", url)
}

func (l *Link) setActive(url string, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since.Before(l.mu.lost) {
		since = l.mu.lost
	}
	l.mu.url, l.mu.since = url, since
}

func (l *Link) setBroken(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.since, l.mu.lost, l.mu.rtt = time.Time{}, at, 0
}

// lost says that the peer cannot be reached, and drops what waited for it: most of it raft will say anew, and old
// messages only make a peer that comes back busy.
func (l *Link) lost(ctx context.Context, url string, err error) {
	if ctx.Err() != nil || errors.Is(err, errOtherURLs) {
		return
	}
	l.count.failures.Inc()
	var refusal *wire.Refusal
	if errors.As(err, &refusal) {
		l.cfg.Notices.WarnWhy(l.id, "a peer refuses this member", errors.New(refusal.Text), "url", url, "reason", refusal.Reason)
		switch refusal.Reason {
		case wire.RefusedRemoved:
			l.cfg.Owner.ReportRemoved(l.id)
		case wire.RefusedBootstrapped:
			l.cfg.Owner.ReportBootstrapped(l.id)
		default: // it may pass
		}
	} else {
		l.cfg.Notices.WarnWhy(l.id, "a peer cannot be reached", err, "url", url)
	}
	for _, i := range l.queue.drop() {
		l.count.dropped.Inc()
		l.abandon(i)
	}
	l.full.Store(false)
	l.cfg.Owner.ReportUnreachable(l.id)
}
