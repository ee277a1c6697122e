package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a leader that wins another term is news: whoever compares members by their terms would hold its followers' older word
// against it. Method: the same leader in the same term again, then in the next.
func TestSameLeaderInAnotherTermIsNews(t *testing.T) {
	p := newPublished()
	p.setLeader(1, 1)
	_, _, changed := p.standing()
	p.setLeader(1, 1)
	select {
	case <-changed:
		t.Fatal("nothing changed")
	default:
	}
	p.setLeader(1, 2)
	<-changed
	_, term, _ := p.standing()
	require.Equal(t, uint64(2), term)
}
