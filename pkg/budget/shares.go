package budget

import (
	"context"
	"sync"
)

// Shared are places that the clients of many connections take. A connection gets no more than it leaves free, so that one alone has half of them at most.
// Where so many have taken theirs that there is none for one that has few, the connection with most is ended: it has more than twice as many.
type Shared struct {
	most int
	mu   struct {
		sync.Mutex
		taken int
		// having are the shares with a place.
		having []*Share
	}
}

// Share is what one connection has of the places. Whose they are guards it.
type Share struct {
	end   func() // nil where the connection cannot be ended
	taken int
	at    int // in having
	ended bool
}

// NewShared has so many places.
func NewShared(most int64) *Shared { return &Shared{most: int(most)} }

// NewShare is that of a connection which end ends; it may take long.
func NewShare(end func()) Share { return Share{end: end} }

// Take takes a place and tells whether there was one; Leave gives it back. The places of nil, for no connection, are bounded by what all have.
func (s *Shared) Take(of *Share) bool { return s.TakeMany(of, 1) }

// TakeMany takes so many places at once, or none.
func (s *Shared) TakeMany(of *Share, places int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of == nil {
		if s.mu.taken+places > s.most && !s.endLocked(0, places) {
			return false
		}
		s.mu.taken += places
		return true
	}
	if of.ended || s.mu.taken+of.taken+places > s.most && !s.endLocked(of.taken, places) {
		return false
	}
	if of.taken == 0 {
		of.at = len(s.mu.having)
		s.mu.having = append(s.mu.having, of)
	}
	of.taken += places
	s.mu.taken += places
	return true
}

// Room tells whether there is a place while nobody is ended for it.
func (s *Shared) Room(of *Share) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of == nil {
		return s.mu.taken < s.most
	}
	return s.mu.taken+of.taken < s.most
}

// Leave gives a place back.
func (s *Shared) Leave(of *Share) { s.LeaveMany(of, 1) }

// LeaveMany gives so many places back.
func (s *Shared) LeaveMany(of *Share, places int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case of == nil:
		s.mu.taken -= places
	case !of.ended:
		s.mu.taken -= places
		if of.taken -= places; of.taken == 0 {
			s.removeLocked(of)
		}
	}
}

// endLocked ends the connection that has most, if that is much for one that had so many, and tells whether there is room for the places that it wants then.
func (s *Shared) endLocked(had, wanted int) bool {
	var most *Share
	for _, one := range s.mu.having {
		if one.end != nil && (most == nil || one.taken > most.taken) {
			most = one
		}
	}
	if most == nil || most.taken <= 2*(had+wanted) {
		return false
	}
	s.removeLocked(most)
	most.ended = true
	s.mu.taken -= most.taken
	go most.end()
	return s.mu.taken+had+wanted <= s.most
}

func (s *Shared) removeLocked(one *Share) {
	last := len(s.mu.having) - 1
	s.mu.having[one.at] = s.mu.having[last]
	s.mu.having[one.at].at = one.at
	s.mu.having[last] = nil
	s.mu.having = s.mu.having[:last]
}

// Connection is what one connection of clients has of the places for requests, for streams, and for the watches of these.
type Connection struct{ Requests, Streams, Watches Share }

// NewConnection is that of one which end ends; it may take long.
func NewConnection(end func()) Connection {
	return Connection{Requests: NewShare(end), Streams: NewShare(end), Watches: NewShare(end)}
}

// ConnectionKey is the key of the Connection in contexts.
type ConnectionKey struct{}

// WithConnection is for what comes by a new connection, which end ends.
func WithConnection(ctx context.Context, end func()) context.Context {
	connection := NewConnection(end)
	return context.WithValue(ctx, ConnectionKey{}, &connection)
}

// RequestsOf is the share of requests of the connection that ctx is of, nil for none.
func RequestsOf(ctx context.Context) *Share {
	if c, ok := ctx.Value(ConnectionKey{}).(*Connection); ok {
		return &c.Requests
	}
	return nil
}

// StreamsOf is the same of streams.
func StreamsOf(ctx context.Context) *Share {
	if c, ok := ctx.Value(ConnectionKey{}).(*Connection); ok {
		return &c.Streams
	}
	return nil
}

// WatchesOf is the same of watches.
func WatchesOf(ctx context.Context) *Share {
	if c, ok := ctx.Value(ConnectionKey{}).(*Connection); ok {
		return &c.Watches
	}
	return nil
}
