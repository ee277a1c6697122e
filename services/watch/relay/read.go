package relay

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/relay/internal/groups"
)

const (
	// readTimeout bounds one read of the past: then the node counts as not answering.
	readTimeout = 3 * time.Second
	// readsKeptMax is how many stretches are kept for others who are behind alike, as all members of a group are after
	// its node has died. budget.WatchReads bounds their bytes.
	readsKeptMax = 128
)

// readKey is what is to be read, and from whom.
type readKey struct {
	sel          groups.Selector
	from         int64
	vetted, once bool
	link         *link
	to           int64
}

// stretch is a part of the past.
type stretch struct {
	batch     *delivery.Batch // nil if nothing happened
	through   int64
	compacted int64 // set where it begins below
}

// reads are the reads of the past under way, and those of late that others may share.
type reads struct {
	// life ends all.
	life context.Context
	// asked counts what watch nodes were asked for.
	asked   atomic.Int64
	places  chan struct{} // one for each that may run at once
	running sync.WaitGroup
	mu      struct {
		sync.Mutex
		calls map[readKey]*readCall
		kept  []keptRead // those in calls that are done, oldest first
		bytes int        // of what is kept
		ended bool
	}
}

// keptRead is a read that is done, and the bytes of what it brought.
type keptRead struct {
	key   readKey
	bytes int
}

type readCall struct {
	done chan struct{}
	got  *stretch
	err  error
}

func newReads(life context.Context, atOnce int) *reads {
	x := &reads{life: life, places: make(chan struct{}, atOnce)}
	x.mu.calls = make(map[readKey]*readCall)
	return x
}

// read waits for what is wanted, which others may have asked for before.
func (x *reads) read(ctx context.Context, want *readKey) (*stretch, error) {
	call := x.call(*want)
	select {
	case <-call.done:
		return call.got, call.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// call begins a read or finds one. What was compacted when a watch began only the store can say, for each.
func (x *reads) call(want readKey) *readCall {
	x.mu.Lock()
	defer x.mu.Unlock()
	key := want
	key.to = 0 // how far others are matters little
	if call := x.mu.calls[key]; call != nil && want.vetted {
		return call
	}
	call := &readCall{done: make(chan struct{})}
	if x.mu.ended {
		call.err = errdefs.ErrStopped
		close(call.done)
		return call
	}
	if want.vetted {
		x.mu.calls[key] = call
	}
	x.running.Go(func() {
		call.got, call.err = x.ask(want)
		close(call.done)
		if want.vetted {
			x.keep(key, call)
		}
	})
	return call
}

// stop waits for the reads under way, whose context has ended. There are none after it.
func (x *reads) stop() {
	x.mu.Lock()
	x.mu.ended = true
	x.mu.Unlock()
	x.running.Wait()
}

// keep keeps a read that brought something, for a while: as many as may be, by number and by bytes.
func (x *reads) keep(key readKey, call *readCall) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if call.err != nil || call.got.through < key.from {
		delete(x.mu.calls, key)
		return
	}
	done := keptRead{key: key}
	if call.got.batch != nil {
		done.bytes = len(call.got.batch.Encoded())
	}
	x.mu.kept = append(x.mu.kept, done)
	x.mu.bytes += done.bytes
	for len(x.mu.kept) > readsKeptMax || x.mu.bytes > budget.WatchReads {
		oldest := x.mu.kept[0]
		delete(x.mu.calls, oldest.key)
		x.mu.bytes -= oldest.bytes
		x.mu.kept[0] = keptRead{}
		x.mu.kept = x.mu.kept[1:]
	}
}

// ask asks a watch node.
func (x *reads) ask(want readKey) (*stretch, error) {
	select {
	case x.places <- struct{}{}:
	case <-x.life.Done():
		return nil, x.life.Err()
	}
	defer func() { <-x.places }()
	x.asked.Add(1)
	ctx, cancel := context.WithTimeout(x.life, readTimeout)
	defer cancel()
	resp, err := want.link.service.Read(ctx, &watchv1.ReadRequest{
		Selection: want.sel.Request(), FromRevision: want.from, ToRevision: want.to, Vetted: want.vetted, Once: want.once,
	})
	if err != nil {
		return nil, err
	}
	got := &stretch{through: resp.ThroughRevision, compacted: resp.CompactedRevision}
	if len(resp.Events) > 0 {
		got.batch, err = delivery.FromEncoded(resp.Events, resp.FirstRevision, resp.LastRevision)
	}
	return got, err
}

// forget drops what is kept of reads.
func (x *reads) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, done := range x.mu.kept {
		delete(x.mu.calls, done.key)
	}
	x.mu.kept, x.mu.bytes = nil, 0
}
