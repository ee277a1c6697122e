package mailbox

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every item put by many senders reaches the owner once, each sender's in its order: senders and an owner race.
func TestMailboxKeepsEveryItemInSenderOrder(t *testing.T) {
	const senders, each = 8, 1000
	m := New[[2]int]()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				m.Put([2]int{s, i})
			}
		})
	}
	next := make([]int, senders)
	var spare [][2]int
	for got := 0; got < senders*each; {
		<-m.Ready()
		items := m.Take(spare)
		for _, item := range items {
			require.Equal(t, next[item[0]], item[1])
			next[item[0]]++
		}
		got += len(items)
		spare = items
	}
	wg.Wait()
	require.Empty(t, m.Take(nil))
}

// An item put while the owner works on the last take is announced again.
func TestMailboxAnnouncesItemsPutAfterTake(t *testing.T) {
	m := New[int]()
	m.Put(1)
	<-m.Ready()
	require.Equal(t, []int{1}, m.Take(nil))
	m.Put(2, 3)
	<-m.Ready()
	require.Equal(t, []int{2, 3}, m.Take(nil))
}
