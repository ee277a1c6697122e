package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// Whatever clients ask for, and whatever the store and restarts do meanwhile: no lease may be expired before the time
// that was promised for it, no keep-alive may claim a lease alive that was gone before it was asked, none may claim
// one gone that is there, and in the end every lease must be gone. Random clients on a store that is slow and loses
// answers at random, with restarts; a seed fixes the choices of each client.
func TestRandomClients(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newModel(t, seed).run() })
		})
	}
}

// model is what the clients of one test were promised.
type model struct {
	t     *testing.T
	seed  uint64
	store *store
	// calm stops the store from failing.
	calm bool

	mu struct {
		sync.Mutex
		service  *Service
		promises map[int64]time.Time
		ids      []int64
		random   *rand.Rand
		answered map[string]int
	}
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, seed: seed, store: newStore()}
	m.mu.promises, m.mu.answered = map[int64]time.Time{}, map[string]int{}
	m.mu.random = rand.New(rand.NewPCG(seed, 0))
	m.store.set(func(h *hooks) { h.before, h.after, h.applied = m.misfortune, m.misfortune, m.check })
	return m
}

func (m *model) run() {
	var clients sync.WaitGroup
	for c := range uint64(10) {
		clients.Go(func() { m.client(rand.New(rand.NewPCG(m.seed, c+1))) })
	}
	for range 6 {
		s, stop := run(m.t, m.store, func(c *Config) {
			c.CheckpointInterval, c.RevokeLeasesMax = 4*time.Second, 3
		})
		m.mu.Lock()
		m.mu.service = s
		m.mu.Unlock()
		elapse(m.upTo(40 * time.Second))
		stop()
		elapse(m.upTo(3 * time.Second))
	}
	clients.Wait()
	m.calm = true
	run(m.t, m.store, nil)
	elapse(3 * time.Minute)
	require.Zero(m.t, m.store.count())
	require.Greater(m.t, m.mu.answered["granted"], 50)
	require.Greater(m.t, m.mu.answered["renewed"], 100)
	require.Greater(m.t, m.mu.answered["failed"], 10)
}

// client asks for things at random for a while.
func (m *model) client(r *rand.Rand) {
	began := time.Now()
	for time.Since(began) < 100*time.Second {
		<-time.After(time.Duration(r.Int64N(int64(time.Second))))
		m.mu.Lock()
		s := m.mu.service
		var id int64
		if n := len(m.mu.ids); n > 0 {
			id = m.mu.ids[max(0, n-1-r.IntN(20))]
		}
		m.mu.Unlock()
		switch choice := r.IntN(20); {
		case s == nil:
		case choice < 4:
			m.grant(s, 2+r.Int64N(20))
		case choice < 5:
			m.revoke(s, id)
		default:
			m.keepAlive(s, id)
		}
	}
}

func (m *model) grant(s *Service, ttl int64) {
	asked := time.Now()
	resp, err := s.Grant(m.t.Context(), &leasev1.GrantRequest{Ttl: ttl})
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.mu.answered["failed"]++
		return
	}
	m.mu.answered["granted"]++
	m.mu.promises[resp.Id] = asked.Add(time.Duration(resp.Ttl) * time.Second)
	m.mu.ids = append(m.mu.ids, resp.Id)
}

func (m *model) revoke(s *Service, id int64) {
	m.mu.Lock()
	delete(m.mu.promises, id)
	m.mu.Unlock()
	_, err := s.Revoke(m.t.Context(), &leasev1.RevokeRequest{Id: id})
	if err == nil {
		require.False(m.t, m.store.exists(id), "revoked, and still there")
	}
}

func (m *model) keepAlive(s *Service, id int64) {
	asked, existed := time.Now(), m.store.exists(id)
	resp, err := s.KeepAlive(m.t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{id}})
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
		m.mu.answered["failed"]++
	case resp.Ttls[0] == 0:
		require.False(m.t, m.store.exists(id), "said to be gone, and still there")
	default:
		require.True(m.t, existed, "said to be alive, but it was gone before")
		m.mu.answered["renewed"]++
		if p, ok := m.mu.promises[id]; ok && p.Before(asked.Add(time.Duration(resp.Ttls[0])*time.Second)) {
			m.mu.promises[id] = asked.Add(time.Duration(resp.Ttls[0]) * time.Second)
		}
	}
}

// check sees each command take effect.
func (m *model) check(c *command) {
	op := c.GetLeaseRevoke()
	if op.GetEpoch() == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range op.Ids {
		early := time.Until(m.mu.promises[id])
		require.LessOrEqual(m.t, early, time.Duration(0), "lease %d is revoked early", id)
	}
}

// misfortune delays and fails proposals.
func (m *model) misfortune(ctx context.Context, c *command) error {
	if m.calm || isAcquire(c) {
		return nil
	}
	if pause(ctx, m.upTo(50*time.Millisecond)) != nil {
		return ctx.Err()
	}
	switch m.upTo(40) {
	case 0:
		return errdefs.ErrTimeout
	case 1:
		return errdefs.ErrLeaderChanged
	case 2:
		<-ctx.Done() // the answer never comes
		return ctx.Err()
	case 3:
		return errors.New("unheard of")
	}
	return nil
}

func (m *model) upTo(d time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Duration(m.mu.random.Int64N(int64(d)))
}
