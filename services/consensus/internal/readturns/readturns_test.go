package readturns

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// reader reads stretch by stretch, one for each token that it gets.
type reader struct {
	read   *Read
	cancel context.CancelFunc
	// next has it read a stretch, after which it waits for its turn; went counts those that it had.
	next chan struct{}
	went int
	err  error
}

func startReader(t *testing.T, p *Turns) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ctx, read := p.With(ctx)
	r := &reader{read: read, cancel: cancel, next: make(chan struct{})}
	go func() {
		defer read.Rest()
		for range r.next {
			read.left = 1
			if r.err = Of(ctx).Row(ctx); r.err != nil {
				return
			}
			r.went++
		}
	}()
	return r
}

func onePlace() *Turns {
	p := New()
	p.mu.free = 1
	return p
}

func (r *reader) step() {
	r.next <- struct{}{}
	synctest.Wait()
}

// Goal: what was begun and what lasts have turns alternately, each in the order of their coming. Method: one place; a read that lasts, another
// one, and two that begin wait for it.
func TestWhoHasBegunAndWhoLastsHaveTurnsAlternately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := onePlace()
		first, second, page, other := startReader(t, p), startReader(t, p), startReader(t, p), startReader(t, p)
		first.read.stretches, second.read.stretches = stretchesFew, stretchesFew
		first.step()
		require.Equal(t, 1, first.went)
		for _, r := range []*reader{second, page, other} {
			r.step()
			require.Zero(t, r.went, "the place is taken")
		}
		first.step() // to the end of the line
		require.Equal(t, []int{1, 0, 1, 0}, []int{first.went, second.went, page.went, other.went})
		page.read.Rest()
		synctest.Wait()
		require.Equal(t, []int{1, 1, 1, 0}, []int{first.went, second.went, page.went, other.went})
		second.read.Rest()
		synctest.Wait()
		require.Equal(t, []int{1, 1, 1, 1}, []int{first.went, second.went, page.went, other.went})
		other.read.Rest()
		synctest.Wait()
		require.Equal(t, 2, first.went)
		for _, r := range []*reader{first, second, page, other} {
			close(r.next)
		}
		synctest.Wait()
		require.Equal(t, 1, p.mu.free)
	})
}

// Goal: who gives up waiting takes no place, also where it comes in the same moment. Method: a read that waits is canceled; another one is while it
// has just been given the place.
func TestWhoGivesUpLeavesThePlaceToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := onePlace()
		holder, leaves, stays := startReader(t, p), startReader(t, p), startReader(t, p)
		for _, r := range []*reader{holder, leaves, stays} {
			r.step()
		}
		leaves.cancel()
		synctest.Wait()
		require.ErrorIs(t, leaves.err, context.Canceled)
		holder.read.Rest()
		stays.cancel()
		synctest.Wait()
		close(holder.next)
		close(stays.next)
		synctest.Wait()
		require.Equal(t, 1, p.mu.free)
		require.Zero(t, p.mu.begun.Len()+p.mu.long.Len())
	})
}

// Most requests read little, and need no place; what belongs to nobody's request never waits.
func TestFewRowsNeedNoPlace(t *testing.T) {
	p := New()
	require.Equal(t, max(1, runtime.GOMAXPROCS(0)-1), p.mu.free)
	p.mu.free = 0
	ctx, read := p.With(t.Context())
	for range rowsAtOnce - 1 {
		require.NoError(t, read.Row(ctx))
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, read.Row(ended), context.Canceled)
	for range 3 * RowsAStretch {
		require.NoError(t, Of(t.Context()).Row(t.Context()))
	}
	none := Of(context.Background())
	for range 3 * RowsAStretch {
		require.NoError(t, none.Row(t.Context()))
	}
}
