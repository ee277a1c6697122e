package budget

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: one connection leaves half of the places to others and is not ended for it; however many take all that they get, another one has places, for which
// those with most are ended; and all counts are zero in the end. Method: a connection alone, then a hundred, and one that comes late.
func TestConnectionsLeavePlacesForOthers(t *testing.T) {
	const places = 4096
	s := NewShared(places)
	type held struct {
		*Share
		ended chan struct{}
		has   int
	}
	connect := func() *held {
		h := &held{ended: make(chan struct{})}
		share := NewShare(func() { close(h.ended) })
		h.Share = &share
		return h
	}
	fill := func(h *held) {
		for s.Take(h.Share) {
			h.has++
		}
	}
	first := connect()
	fill(first)
	require.Equal(t, places/2, first.has)
	all := []*held{first}
	for range 100 {
		one := connect()
		fill(one)
		require.Positive(t, one.has)
		all = append(all, one)
	}
	<-first.ended
	late := connect()
	for range 10 {
		require.True(t, s.Take(late.Share))
		late.has++
	}
	require.False(t, late.Share.ended)
	for _, one := range append(all, late) {
		for range one.has {
			s.Leave(one.Share)
		}
	}
	require.Zero(t, s.mu.taken)
	require.Empty(t, s.mu.having)
	require.False(t, s.Take(first.Share), "it was ended")
}

// Goal: who wants many places at once gets all or none, and the connection with most is ended for them only where it has more than twice as many.
// Method: one connection with half, others that want more than is left.
func TestManyPlacesAtOnce(t *testing.T) {
	s, ended := NewShared(100), make(chan struct{})
	large, small := NewShare(func() { close(ended) }), NewShare(func() { panic("ended") })
	require.False(t, s.TakeMany(&large, 101))
	require.True(t, s.TakeMany(&large, 50))
	require.False(t, s.TakeMany(&large, 1))
	require.False(t, s.TakeMany(nil, 51), "it is more than half of what the other has")
	require.True(t, s.TakeMany(&small, 20))
	require.True(t, s.TakeMany(nil, 10))
	require.True(t, s.TakeMany(nil, 20))
	require.True(t, s.TakeMany(nil, 10))
	<-ended
	s.LeaveMany(&large, 50)
	s.LeaveMany(&small, 20)
	s.LeaveMany(nil, 40)
	require.Zero(t, s.mu.taken)
	require.Empty(t, s.mu.having)
}

// Goal: without a connection places are bounded too, and nobody is ended who has few. Method: as many connections as places, then what has no connection.
func TestFewPlacesOfManyConnectionsStay(t *testing.T) {
	s := NewShared(8)
	for range 8 {
		share := NewShare(func() { panic("ended") })
		require.True(t, s.Take(&share))
	}
	require.False(t, s.Take(nil))
	require.False(t, s.Room(nil))
}

// Goal: places taken and given back by many at once are all there again. Method: goroutines on few connections.
func TestPlacesAreGivenBack(t *testing.T) {
	s := NewShared(64)
	shares := make([]Share, 8)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			of := &shares[i%len(shares)]
			for range 1000 {
				if s.Take(of) {
					s.Leave(of)
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, s.mu.taken)
	require.Empty(t, s.mu.having)
}
