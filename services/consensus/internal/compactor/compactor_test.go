package compactor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// fakeStore has a revision that its clock tells: one more each minute since start, which is revision 1.
type fakeStore struct {
	start   time.Time
	leading atomic.Bool
	mu      struct {
		sync.Mutex
		done   []string // "minute: revision"
		answer func(revision int64) error
	}
}

func newFakeStore() *fakeStore {
	s := &fakeStore{start: time.Now()}
	s.leading.Store(true)
	return s
}

func (s *fakeStore) Revision() int64 { return 1 + int64(time.Since(s.start)/time.Minute) }
func (s *fakeStore) Leading() bool   { return s.leading.Load() }

func (s *fakeStore) Compact(_ context.Context, revision int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.done = append(s.mu.done, fmt.Sprintf("%v: %d", time.Since(s.start), revision))
	if s.mu.answer != nil {
		return s.mu.answer(revision)
	}
	return nil
}

func (s *fakeStore) answer(f func(revision int64) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.answer = f
}

func (s *fakeStore) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := s.mu.done
	s.mu.done = nil
	return done
}

// during runs a Compactor in fake time, calls fn, and stops it again.
func during(t *testing.T, o Config, fn func(s *fakeStore, pass func(time.Duration))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		o.Store = s
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- New(o).Run(ctx) }()
		synctest.Wait()
		fn(s, func(d time.Duration) {
			pause := time.NewTimer(d)
			<-pause.C
			synctest.Wait()
		})
		cancel()
		require.NoError(t, <-ended)
	})
}

// TestPeriodic shows when a retention compacts, and which revision: the one that was newest one retention ago.
func TestPeriodic(t *testing.T) {
	for _, c := range []struct {
		retention, during time.Duration
		want              []string
	}{
		{10 * time.Minute, 31 * time.Minute, []string{"10m0s: 1", "20m0s: 11", "30m0s: 21"}},
		{time.Hour, 190 * time.Minute, []string{"1h0m0s: 1", "2h0m0s: 61", "3h0m0s: 121"}},
		{24 * time.Hour, 26*time.Hour + time.Minute, []string{"24h0m0s: 1", "25h0m0s: 61", "26h0m0s: 121"}},
		{90 * time.Minute, 155 * time.Minute, []string{"1h30m0s: 1", "2h30m0s: 61"}},
		{5 * time.Second, 66 * time.Second, []string{"5s: 1", "1m5s: 2"}},
	} {
		t.Run(c.retention.String(), func(t *testing.T) {
			during(t, Config{Retention: c.retention}, func(s *fakeStore, pass func(time.Duration)) {
				pass(c.during)
				require.Equal(t, c.want, s.take())
			})
		})
	}
}

// TestRevisions shows that the newest revisions stay and the rest goes every five minutes.
func TestRevisions(t *testing.T) {
	during(t, Config{Revisions: 8}, func(s *fakeStore, pass func(time.Duration)) {
		pass(5 * time.Minute)
		require.Empty(t, s.take(), "there are no 8 revisions yet")
		pass(10 * time.Minute)
		require.Equal(t, []string{"10m0s: 3", "15m0s: 8"}, s.take())
	})
}

// TestOnlyTheLeaderCompacts shows that a follower watches without acting, and acts at its next tick as a leader.
func TestOnlyTheLeaderCompacts(t *testing.T) {
	during(t, Config{Retention: 10 * time.Minute}, func(s *fakeStore, pass func(time.Duration)) {
		s.leading.Store(false)
		pass(35*time.Minute + time.Second)
		require.Empty(t, s.take())
		s.leading.Store(true)
		pass(time.Minute)
		require.Equal(t, []string{"36m0s: 27"}, s.take())
	})
}

// TestFailureIsTriedAgain shows that a failed compaction comes again at the next sample, with the window moved on, and
// that one which somebody else has done counts as done.
func TestFailureIsTriedAgain(t *testing.T) {
	during(t, Config{Retention: 10 * time.Minute}, func(s *fakeStore, pass func(time.Duration)) {
		s.answer(func(int64) error { return errors.New("no leader") })
		pass(12 * time.Minute)
		require.Equal(t, []string{"10m0s: 1", "11m0s: 2", "12m0s: 3"}, s.take())
		s.answer(func(revision int64) error { return fmt.Errorf("compact %d: %w", revision, errdefs.ErrCompacted) })
		pass(10 * time.Minute)
		require.Equal(t, []string{"13m0s: 4"}, s.take())
		s.answer(nil)
		pass(time.Minute)
		require.Equal(t, []string{"23m0s: 14"}, s.take())
	})
}

// TestNothingNewIsCompacted shows that without a policy Run only waits, and that an idle store is not compacted twice at
// the same revision.
func TestNothingNewIsCompacted(t *testing.T) {
	during(t, Config{}, func(s *fakeStore, pass func(time.Duration)) {
		pass(100 * time.Hour)
		require.Empty(t, s.take())
	})
	during(t, Config{Retention: time.Second}, func(s *fakeStore, pass func(time.Duration)) {
		pass(50 * time.Second)
		require.Equal(t, []string{"1s: 1"}, s.take())
	})
}
