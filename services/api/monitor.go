package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/services/api/internal/health"
)

// MonitorConfig says where health and metrics are served. Logger is required.
type MonitorConfig struct {
	// Listeners serve /metrics and the health paths alone. Run owns and closes them.
	Listeners []net.Listener
	// Connections bounds those of the listeners, nil does not.
	Connections *ingress.Connections
	Logger      *slog.Logger
	// Elsewhere says that the store is no part of this process.
	Elsewhere bool
	// Registerer takes the metrics and Gatherer is what /metrics shows; without them there are none, or no /metrics.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
}

// Monitor serves health and metrics on listeners of their own, from before there is a store until after its end: whoever
// starts the process can see that it lives, and what it is not ready for. A Server that is given it tells it of the store.
type Monitor struct {
	cfg      MonitorConfig
	wellness *health.Handler
}

// NewMonitor starts nothing.
func NewMonitor(cfg MonitorConfig) *Monitor {
	return &Monitor{cfg: cfg, wellness: health.New(cfg.Elsewhere, cfg.Logger, cfg.Registerer)}
}

// Run serves until ctx ends or a listener fails: nil in the first case.
func (m *Monitor) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	addOperations(mux, m.cfg.Registerer, m.cfg.Gatherer, m.wellness)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(m.cfg.Listeners))
	var serving sync.WaitGroup
	for i, listener := range m.cfg.Listeners {
		serving.Go(func() {
			errs[i] = ingress.New(ingress.Config{
				Handler: mux, Connections: m.cfg.Connections, ErrorLog: slog.NewLogLogger(m.cfg.Logger.Handler(), slog.LevelDebug),
			}).Run(ctx, listener, nil)
			if errs[i] != nil {
				cancel()
			}
		})
	}
	<-ctx.Done()
	serving.Wait()
	return errors.Join(errs...)
}

// Each who asks for metrics has all of them in memory, half a megabyte, until it has taken them.
const (
	// scrapesMax is how many may at a time, at one listener or at all of those for clients.
	scrapesMax = 32
	// scrapeTimeout is how long they have to take them. Who scrapes waits for less.
	scrapeTimeout = 30 * time.Second
)

// addOperations adds what those ask for who run the server.
func addOperations(mux *http.ServeMux, registerer prometheus.Registerer, gatherer prometheus.Gatherer, wellness *health.Handler) {
	wellness.Register(mux)
	if gatherer != nil {
		handler := takenWithin(scrapeTimeout, promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesMax}))
		if registerer != nil {
			handler = promhttp.InstrumentMetricHandler(registerer, handler)
		}
		mux.Handle("/metrics", handler)
	}
}

// takenWithin gives clients a time in which they take an answer.
func takenWithin(timeout time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(timeout))
		next.ServeHTTP(w, r)
		_ = control.SetWriteDeadline(time.Time{}) // the connection's next answer may take its time
	})
}
