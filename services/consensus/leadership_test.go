package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a leader that wins another term is news: whoever compares members by their terms would hold its followers' older word
// against it. Method: the same leader in the same term again, then in the next.
func TestSameLeaderInAnotherTermIsNews(t *testing.T) {
	l := newLeadership()
	l.set(1, 1)
	changed := l.mu.changed
	l.set(1, 1)
	select {
	case <-changed:
		t.Fatal("nothing changed")
	default:
	}
	l.set(1, 2)
	<-changed
	require.Equal(t, uint64(2), l.mu.term)
}
