package ratelimit

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/time/rate"

	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// knownMax bounds the users, and apart from them the addresses, of which is remembered how much they have left, at some 500 bytes each. Who
// was not heard of for longest is forgotten, and begins with everything left. Users with rates of their own are not forgotten.
const knownMax = 16 << 10

// Limiter holds those who ask to their rates. A nil Limiter lets everything through. Its methods may be called concurrently.
type Limiter struct {
	names     *auth.Names
	enforcing bool
	everybody rates

	own       map[string]*allowance // by user
	users     *lru.Cache[string, *allowance]
	addresses *lru.Cache[string, *allowance] // by origin

	over [len(classNames)]prometheus.Counter
}

// New returns a limiter as c describes it, nil for none. names says who somebody is.
func New(c Config, names *auth.Names) (*Limiter, error) {
	if err := c.Validate(); err != nil || !c.On() {
		return nil, err
	}
	p, err := c.rates()
	if err != nil {
		return nil, err
	}
	l := &Limiter{names: names, enforcing: c.Mode == ModeEnforcing, everybody: p.everybody, own: make(map[string]*allowance)}
	for user, own := range p.users {
		l.own[user] = newAllowance(own)
	}
	l.users, _ = lru.New[string, *allowance](knownMax) // it fails for no size above zero
	l.addresses, _ = lru.New[string, *allowance](knownMax)
	over := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "quorate_rate_limit_over_total", Help: "Requests beyond the rate of whom they were made for, by class. They were refused where the mode is enforcing.",
	}, []string{"class", "mode"})
	for class, name := range classNames {
		l.over[class] = over.WithLabelValues(name, c.Mode)
	}
	if c.Registerer != nil {
		c.Registerer.MustRegister(over)
	}
	return l, nil
}

// Admit refuses a call of these classes with etcd's "too many requests" if it is beyond the rate of whom it is made for. ctx is of auth.With.
func (l *Limiter) Admit(ctx context.Context, classes Classes) error {
	if l == nil || classes == None {
		return nil
	}
	name, _ := l.names.Of(ctx)
	if !l.Take(name, auth.PeerOf(ctx), classes) {
		return rpctypes.ErrGRPCRequestTooManyRequests
	}
	return nil
}

// Take takes one request of each class from what the user of that name has left, who was shown to be it, or where name is empty from what is
// left for the origin of the client's address, as auth.OriginOf has it; all whose address is none, on Unix sockets, are one client. It takes
// nothing, and returns false, where a class has nothing left.
func (l *Limiter) Take(name, address string, classes Classes) bool {
	if l == nil || classes == None {
		return true
	}
	over := l.of(name, address).take(classes)
	for class := range over.each() {
		l.over[class].Inc()
	}
	return over == None || !l.enforcing
}

func (l *Limiter) of(name, address string) *allowance {
	if own, ok := l.own[name]; ok {
		return own
	}
	if name != "" {
		return remembered(l.users, name, l.everybody)
	}
	return remembered(l.addresses, auth.OriginOf(address), l.everybody)
}

func remembered(known *lru.Cache[string, *allowance], key string, limits rates) *allowance {
	if a, ok := known.Get(key); ok {
		return a
	}
	a := newAllowance(limits)
	if first, ok, _ := known.PeekOrAdd(key, a); ok {
		return first // of somebody who asked at the same time
	}
	return a
}

// allowance is how much of each class somebody has left.
type allowance struct {
	mu sync.Mutex
	// left is nil for a class without a limit. It fills up within a second, and holds one second's requests.
	left [len(classNames)]*rate.Limiter
}

func newAllowance(limits rates) *allowance {
	a := &allowance{}
	for class, limit := range limits {
		if limit != rate.Inf {
			a.left[class] = rate.NewLimiter(limit, int(limit))
		}
	}
	return a
}

// take takes one request of each class, or nothing if a class has none left. It returns which have none.
func (a *allowance) take(classes Classes) (over Classes) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for class := range classes.each() {
		if left := a.left[class]; left != nil && left.TokensAt(now) < 1 {
			over |= 1 << class
		}
	}
	if over != None {
		return over
	}
	for class := range classes.each() {
		if left := a.left[class]; left != nil {
			left.AllowN(now, 1)
		}
	}
	return None
}
