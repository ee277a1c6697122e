package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/api/internal/health"
)

// scraper is a client that is given deadlines.
type scraper struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (s *scraper) SetWriteDeadline(at time.Time) error {
	s.deadlines = append(s.deadlines, at)
	return nil
}

// Goal: clients that ask for metrics and do not read them cost a bounded part of the memory, for a bounded time, which does not outlast the answer. Method: as
// many as may be at a time, one more, and one after their end.
func TestScrapesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unread := make(chan struct{})
		mux := http.NewServeMux()
		metrics := prometheus.NewRegistry()
		metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "slow"}, func() float64 { <-unread; return 1 }))
		addOperations(mux, nil, metrics, health.New(false, slog.New(slog.DiscardHandler), nil))
		scrape := func() *scraper {
			s := &scraper{ResponseRecorder: httptest.NewRecorder()}
			mux.ServeHTTP(s, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
			return s
		}
		begun := time.Now()
		ended := make(chan *scraper)
		for range scrapesMax {
			go func() { ended <- scrape() }()
		}
		synctest.Wait()
		require.Equal(t, http.StatusServiceUnavailable, scrape().Code)
		close(unread)
		for range scrapesMax {
			s := <-ended
			require.Equal(t, http.StatusOK, s.Code)
			require.Equal(t, []time.Time{begun.Add(scrapeTimeout), {}}, s.deadlines)
		}
		require.Equal(t, http.StatusOK, scrape().Code)
	})
}
