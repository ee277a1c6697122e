package grpcserver

import (
	"context"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/services/api/internal/headers"
)

// arrivals are the calls whose head has come and which no interceptor has seen, because the message of a unary call comes first. From the head on, some
// twenty bytes on the wire, grpc-go has a goroutine for a call, which waits for as long as the client likes.
//
// Most leave at once. Those whose streams have ended before are found when as many have come as there were, or with the clock, which goes on while there
// are any. It ticks by seconds, so that no call need read the time.
type arrivals struct {
	most   int
	places *budget.Shared
	// within is how many ticks a message may take.
	within uint32
	mu     struct {
		sync.Mutex
		// ring is where the calls begin and end: ring.next has waited for longest.
		ring  arrival
		count int
		// sweepAt is at how many calls those are looked for whose streams have ended.
		sweepAt int
		// swept says that since the last tick there was a look for ended streams when places were short, and few were found.
		swept bool
		// now counts ticks of the clock, which runs if ticking is set.
		now     uint32
		clock   *time.Timer
		ticking bool
	}
}

// arrival is the context of a call, and its place among arrivals.
type arrival struct {
	context.Context
	from       *address // nil if that cannot be dropped
	headers    metadata.MD
	prev, next *arrival // nil once it has left
	begun      uint32
}

type arrivalKey struct{}

// Value implements context.Context.
func (a *arrival) Value(key any) any {
	switch {
	case key == arrivalKey{}:
		return a
	case key == headers.Key{} && a.headers != nil:
		return a.headers
	case key == budget.ConnectionKey{} && a.from != nil:
		return &a.from.places
	}
	return a.Context.Value(key)
}

const (
	// shareOfPlace is how many of them take as much as a stream with all that it has.
	shareOfPlace = 4
	// patience is for how many ticks a call may wait when there is no place left for a connection that has none.
	patience = 2
	// worth is which part of all that may wait must be found to have ended, as 1/worth, for another look within a tick.
	worth = 64
	// sweepMin is how many calls there are before anybody looks for those whose streams have ended.
	sweepMin = 1024
	tick     = time.Second
)

// newArrivals lets so many calls wait. A message may take as long as the body of any other request.
func newArrivals(most, messageBytesMax int) *arrivals {
	within := ingress.BodyTimeout + time.Duration(messageBytesMax)*time.Second/ingress.BodyBytesPerSecond
	a := &arrivals{most: most, places: budget.NewShared(int64(most)), within: uint32(within / tick)}
	a.mu.ring.prev, a.mu.ring.next = &a.mu.ring, &a.mu.ring
	a.mu.sweepAt = sweepMin
	return a
}

// come is a tap.ServerInHandle: it counts a call whose head has come. One too many is refused, but for connections that have few
// (see budget.Shared): however many say nothing, others come in. Where so many connections have one or two that none is left for another, the one that has
// waited for longest loses its connection, if that was long.
func (a *arrivals) come(ctx context.Context, call *tap.Info) (context.Context, error) {
	one := &arrival{Context: ctx, from: addressOf(ctx), headers: call.Header}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.count >= a.mu.sweepAt {
		a.sweepLocked()
	}
	if !a.takeLocked(one.from) {
		return nil, rpctypes.ErrGRPCRequestTooManyRequests
	}
	one.begun = a.mu.now
	one.prev, one.next = a.mu.ring.prev, &a.mu.ring
	one.prev.next, one.next.prev = one, one
	a.mu.count++
	if !a.mu.ticking {
		a.mu.ticking = true
		a.tickLocked()
	}
	return one, nil
}

// arrived says that an interceptor has a call.
func (a *arrivals) arrived(ctx context.Context) {
	one, ok := ctx.Value(arrivalKey{}).(*arrival)
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaveLocked(one)
}

func (a *arrivals) leaveLocked(one *arrival) {
	if one.next == nil {
		return
	}
	one.prev.next, one.next.prev = one.next, one.prev
	one.prev, one.next = nil, nil
	a.mu.count--
	a.places.Leave(one.from.share())
}

// sweepLocked forgets the calls whose streams have ended.
func (a *arrivals) sweepLocked() {
	for one := a.mu.ring.next; one != &a.mu.ring; {
		next := one.next
		if one.Err() != nil {
			a.leaveLocked(one)
		}
		one = next
	}
	a.mu.sweepAt = max(sweepMin, 2*a.mu.count)
}

// takeLocked takes a place and tells whether there was one. It walks over all calls once a tick, or for many places.
func (a *arrivals) takeLocked(from *address) bool {
	share := from.share()
	if !a.mu.swept && !a.places.Room(share) {
		before := a.mu.count
		a.sweepLocked()
		a.mu.swept = before-a.mu.count <= a.most/worth
	}
	if a.places.Take(share) {
		return true
	}
	oldest := a.mu.ring.next
	if oldest == &a.mu.ring || oldest.from == from || a.mu.now-oldest.begun < patience {
		return false
	}
	a.dropLocked(oldest)
	return a.places.Take(share)
}

// dropLocked ends the connection of a call. The others that wait on it end with it.
func (a *arrivals) dropLocked(one *arrival) {
	a.leaveLocked(one)
	if one.from != nil && !one.from.dropped {
		one.from.dropped = true
		go one.from.Drop() // to close one takes as long as its client likes
	}
}

// addressOf is where a call comes from, nil if that cannot be dropped.
func addressOf(ctx context.Context) *address {
	client, _ := peer.FromContext(ctx)
	if client == nil {
		return nil
	}
	at, _ := client.Addr.(*address)
	return at
}

func (a *arrivals) tickLocked() {
	if a.mu.clock == nil {
		a.mu.clock = time.AfterFunc(tick, a.tick)
		return
	}
	a.mu.clock.Reset(tick)
}

// tick ends the connections of the calls whose time is over.
func (a *arrivals) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.now++
	a.mu.swept = false
	for a.mu.count > 0 && a.mu.now-a.mu.ring.next.begun > a.within {
		if oldest := a.mu.ring.next; oldest.Err() != nil {
			a.leaveLocked(oldest)
		} else {
			a.dropLocked(oldest)
		}
	}
	if a.mu.ticking = a.mu.count > 0; a.mu.ticking {
		a.tickLocked()
	}
}
