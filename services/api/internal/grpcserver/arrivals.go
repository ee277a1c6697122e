package grpcserver

import (
	"context"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/quoratedb/quorate/pkg/ingress"
)

// arrivals are the calls whose head has come and which no interceptor has seen, because the message of a unary call comes first. From the head on, some
// twenty bytes on the wire, grpc-go has a goroutine for a call, which waits for as long as the client likes.
//
// Most leave at once. Those whose streams have ended before are found when as many have come as there were, or with the clock, which goes on while there
// are any. It ticks by seconds, so that no call need read the time.
type arrivals struct {
	most int
	// within is how many ticks a message may take.
	within uint32
	mu     struct {
		sync.Mutex
		// ring is where the calls begin and end: ring.next has waited for longest.
		ring  arrival
		count int
		// sweepAt is at how many calls those are looked for whose streams have ended.
		sweepAt int
		// full says that there was no place left since the last tick, and none to be had.
		full bool
		// now counts ticks of the clock, which runs if ticking is set.
		now     uint32
		clock   *time.Timer
		ticking bool
	}
}

// arrival is the context of a call, and its place among arrivals.
type arrival struct {
	context.Context
	prev, next *arrival // nil once it has left
	begun      uint32
}

type arrivalKey struct{}

// Value implements context.Context.
func (a *arrival) Value(key any) any {
	if key == (arrivalKey{}) {
		return a
	}
	return a.Context.Value(key)
}

const (
	// shareOfPlace is how many of them take as much as a stream with all that it has.
	shareOfPlace = 4
	// crowd is which part of all that may wait is too many for one connection, as 1/crowd, when there is no place left; patience is for how many ticks one
	// may wait then.
	crowd    = 64
	patience = 2
	// sweepMin is how many calls there are before anybody looks for those whose streams have ended.
	sweepMin = 1024
	tick     = time.Second
)

// newArrivals lets so many calls wait. A message may take as long as the body of any other request.
func newArrivals(most, messageBytesMax int) *arrivals {
	within := ingress.BodyTimeout + time.Duration(messageBytesMax)*time.Second/ingress.BodyBytesPerSecond
	a := &arrivals{most: most, within: uint32(within / tick)}
	a.mu.ring.prev, a.mu.ring.next = &a.mu.ring, &a.mu.ring
	a.mu.sweepAt = sweepMin
	return a
}

// come is a tap.ServerInHandle: it counts a call whose head has come. Where as many wait as may, the one that waits for longest loses its connection, if that
// has many that wait or it has waited for long; else the new one is refused.
func (a *arrivals) come(ctx context.Context, _ *tap.Info) (context.Context, error) {
	one := &arrival{Context: ctx}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.count >= a.mu.sweepAt && a.mu.count < a.most {
		a.sweepLocked()
	}
	if a.mu.count >= a.most && !a.makeRoomLocked() {
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

// makeRoomLocked tells whether it could. It walks over all calls, and so does it once a tick, or for many places.
func (a *arrivals) makeRoomLocked() bool {
	if a.mu.full {
		return false
	}
	a.sweepLocked()
	if a.mu.count < a.most {
		return true
	}
	oldest := a.mu.ring.next
	from, waiting := addressOf(oldest), 0
	for one := oldest; one != &a.mu.ring; one = one.next {
		if addressOf(one) == from {
			waiting++
		}
	}
	if waiting < max(2, a.most/crowd) && a.mu.now-oldest.begun < patience {
		a.mu.full = true
		return false
	}
	a.dropLocked(from)
	return true
}

// dropLocked ends a connection.
func (a *arrivals) dropLocked(from *address) {
	for one := a.mu.ring.next; one != &a.mu.ring; {
		next := one.next
		if addressOf(one) == from {
			a.leaveLocked(one)
		}
		one = next
	}
	if from != nil {
		go from.Drop() // to close one takes as long as its client likes
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
	a.mu.full = false
	for a.mu.count > 0 && a.mu.now-a.mu.ring.next.begun > a.within {
		if oldest := a.mu.ring.next; oldest.Err() != nil {
			a.leaveLocked(oldest)
		} else {
			a.dropLocked(addressOf(oldest))
		}
	}
	if a.mu.ticking = a.mu.count > 0; a.mu.ticking {
		a.tickLocked()
	}
}
