package lessor

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: whatever happens to the messages between two lease services and their store, no lease is revoked before the time that was
// promised for it, and all are in the end; and the same happens when the same happens. Method: two lessors, a store and clients in
// one goroutine, in an order that a seed fixes, with virtual time: messages are late or lost, take effect late, holders are paused
// and replaced. Each seed runs twice, and the traces are compared.
func TestTwoServicesOneGoroutine(t *testing.T) {
	total := map[string]int{}
	for seed := range uint64(40) {
		first := simulate(t, seed, total)
		require.Equal(t, first, simulate(t, seed, map[string]int{}), "seed %d", seed)
	}
	for _, what := range []string{"granted", "renewed", "gone", "expired", "checkpointed", "cleared", "fenced", "unknown", "take-over", "reconciled"} {
		require.Greater(t, total[what], 20, what)
	}
}

// simulation is the world of one seed.
type simulation struct {
	t      *testing.T
	random *rand.Rand
	now    time.Duration
	queue  []event
	queued int
	calm   bool // nothing fails any more
	trace  []string
	count  map[string]int

	// The store.
	epoch  uint64
	leases map[int64]*consensusv1.Lease

	nodes []*node
	// promises are until when clients may count on their leases.
	promises map[int64]time.Duration
	lastID   int64
}

type event struct {
	at time.Duration
	n  int
	do func()
}

func simulate(t *testing.T, seed uint64, count map[string]int) uint64 {
	s := &simulation{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), count: count,
		leases: map[int64]*consensusv1.Lease{}, promises: map[int64]time.Duration{},
	}
	for i := range 2 {
		n := &node{simulation: s, name: i, lessor: New(Config{MinTTL: 2, CheckpointInterval: time.Minute, Standby: i > 0})}
		s.nodes = append(s.nodes, n)
		s.every(50*time.Millisecond, n.tick)
	}
	s.every(100*time.Millisecond, s.client)
	s.every(10*time.Second, s.misfortune)
	s.run(2 * time.Minute)
	s.calm = true
	s.run(4 * time.Minute)
	require.Empty(t, s.leases, "seed %d: all have ended", seed)
	hash := fnv.New64a()
	for _, line := range s.trace {
		_, _ = hash.Write([]byte(line))
	}
	return hash.Sum64()
}

func (s *simulation) run(until time.Duration) {
	for len(s.queue) > 0 && s.queue[0].at <= until {
		e := s.queue[0]
		s.queue = s.queue[1:]
		s.now = e.at
		e.do()
	}
}

func (s *simulation) after(d time.Duration, do func()) {
	s.queued++
	e := event{s.now + d, s.queued, do}
	at, _ := slices.BinarySearchFunc(s.queue, e, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) })
	s.queue = slices.Insert(s.queue, at, e)
}

func (s *simulation) every(d time.Duration, do func()) {
	s.after(d, func() {
		do()
		s.every(d, do)
	})
}

func (s *simulation) note(what string, args ...any) {
	s.count[what]++
	s.trace = append(s.trace, fmt.Sprint(s.now, what, args))
}

func (s *simulation) chance(one int) bool { return !s.calm && s.random.IntN(one) == 0 }

// ask sends a message to the store and its answer back. Either may be late or lost; done is told once, true with an answer.
func (s *simulation) ask(at func(), done func(answered bool)) {
	told := false
	tell := func(answered bool) {
		if !told {
			told = true
			done(answered)
		}
	}
	there, back := s.delay(), s.delay()
	lost, lostBack := s.chance(60), s.chance(60)
	if s.chance(100) {
		there = 8 * time.Second // it takes effect long after it was given up
	}
	if !lost {
		s.after(there, func() {
			at()
			if !lostBack {
				s.after(back, func() { tell(true) })
			}
		})
	}
	s.after(7*time.Second, func() {
		if !told {
			s.note("unknown")
		}
		tell(false)
	})
}

func (s *simulation) delay() time.Duration {
	return time.Duration(1+s.random.IntN(30)) * time.Millisecond
}

// misfortune pauses a service or has another one take over.
func (s *simulation) misfortune() {
	n := s.nodes[s.random.IntN(len(s.nodes))]
	switch {
	case s.calm:
		if n = s.nodes[0]; s.active() == 0 {
			n.step(func(l *Lessor) { l.TakeOver() })
		}
	case s.random.IntN(2) == 0:
		n.paused = s.now + time.Duration(s.random.IntN(8))*time.Second
		s.note("pause", n.name)
	default:
		s.note("take-over", n.name)
		n.step(func(l *Lessor) { l.TakeOver() })
	}
}

func (s *simulation) active() (found int) {
	for _, n := range s.nodes {
		if n.lessor.Status().Role != Standby {
			found++
		}
	}
	return found
}

// client asks any of the services for something.
func (s *simulation) client() {
	n := s.nodes[s.random.IntN(len(s.nodes))]
	if s.calm || n.isPaused() {
		return
	}
	id := max(1, s.lastID-int64(s.random.IntN(12)))
	switch choice := s.random.IntN(20); {
	case choice < 4:
		s.lastID++
		n.grant(s.lastID, 2+int64(s.random.IntN(20)))
	case choice < 5:
		n.revoke(id)
	default:
		n.keepAlive(id)
	}
}

// apply is what the store does with a proposal under an epoch, unless that is not the newest.
func (s *simulation) apply(epoch uint64, stale *bool, do func()) func() {
	return func() {
		if *stale = epoch != s.epoch; !*stale {
			do()
		}
	}
}

func (s *simulation) list() (list []*consensusv1.Lease) {
	for _, id := range slices.Sorted(maps.Keys(s.leases)) {
		l := s.leases[id]
		list = append(list, &consensusv1.Lease{Id: id, GrantedTtl: l.GetGrantedTtl(), RemainingTtl: l.GetRemainingTtl()})
	}
	return list
}

func (s *simulation) moment() Moment { return Moment{At: Uptime(s.now)} }

// promise notes what a client was told when it had asked at a moment.
func (s *simulation) promise(id int64, asked time.Duration, ttl int64) {
	s.promises[id] = max(s.promises[id], asked+seconds(ttl))
}

// all is where looks at all leases begin.
const all = math.MaxInt
