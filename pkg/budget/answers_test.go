package budget

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: what is read concurrently stays within the room, and nobody waits for ever. Method: two answers that each need
// more than half of the room; the one that goes beyond it ends first, then the other goes on.
func TestReadsThatNeedMoreThanThereIsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAnswers(10)
		one := a.New(1)
		first := one.With(t.Context())
		two := a.New(1)
		second := two.With(t.Context())
		require.NoError(t, Grow(first, 6))
		require.NoError(t, Grow(second, 4))
		require.NoError(t, Grow(first, 6), "one may go beyond")
		grown := make(chan error, 1)
		go func() { grown <- Grow(second, 4) }()
		synctest.Wait()
		require.Empty(t, grown, "the other waits")
		one.Release()
		require.NoError(t, <-grown)
		require.EqualValues(t, 8, two.Bytes())
		two.Release()
		two.Release()
		held, _ := a.Held()
		require.Zero(t, held)
	})
}

// Goal: clients that do not read do not keep others from reading. Method: an answer that nobody takes holds all the room;
// who waits gets it after unreadMax, by dropping the client.
func TestWhoDoesNotReadIsDroppedWhenOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAnswers(10)
		stuck := a.New(1)
		ctx := stuck.With(t.Context())
		require.NoError(t, Grow(ctx, 20))
		dropped := false
		stuck.Send(func() { dropped = true })
		begin := time.Now()
		next := a.New(1)
		ctx = next.With(t.Context())
		require.NoError(t, Grow(ctx, 5))
		require.True(t, dropped)
		require.Equal(t, unreadMax, time.Since(begin))
		stuck.Release() // what grpc-go does when the stream ends
		held, count := a.Held()
		require.EqualValues(t, 5, held)
		require.EqualValues(t, 1, count)
		next.Release()
	})
}

// Goal: waiting has an end. Method: wait with a context that ends.
func TestWaitingForRoomEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAnswers(10)
		ctx := a.New(1).With(t.Context())
		require.NoError(t, Grow(ctx, 20))
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ctx = a.New(1).With(short)
		require.ErrorIs(t, Grow(ctx, 5), context.DeadlineExceeded)
		require.NoError(t, Grow(t.Context(), 1<<40), "what is no answer is not counted")
	})
}

// Goal: answers that were not read here, or belong to a write, are bounded by how long their clients may take. Method: one that
// nobody takes and that is all there is room for; the next one after unreadMax drops its client, and none before does.
func TestAnswersThatAreThereDropWhoDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAnswers(10)
		dropped := false
		stuck := a.New(1)
		stuck.Take(10)
		stuck.Send(func() { dropped = true })
		next := a.New(1)
		next.Take(10)
		require.False(t, dropped)
		<-time.After(unreadMax) // of the bubble's time
		last := a.New(1)
		last.Take(1)
		require.True(t, dropped)
		held, _ := a.Held()
		require.EqualValues(t, 11, held)
	})
}

// Goal: a client that reads a large answer steadily over a slow line is not dropped. Method: an answer of 20 MiB is on its way for less
// than unreadMax and a second a MiB, then for more.
func TestALargeAnswerHasMoreTime(t *testing.T) {
	a := NewAnswers(1)
	large := a.New(1)
	large.Take(20 << 20)
	dropped := false
	large.Send(func() { dropped = true })
	sent := time.Now()
	a.dropUnread(sent.Add(unreadMax + 10*time.Second))
	require.False(t, dropped)
	a.dropUnread(sent.Add(unreadMax + 21*time.Second))
	require.True(t, dropped)
}

// Goal: the memory of an answer is used again once it is encoded, never what belongs to one that was encoded without it, and an answer that is not
// reusable keeps nothing: large ones of transactions were in memory twice until slow clients had taken them. Method: parts before and after, twice, of an
// answer that is reusable and of one that is not, and a context without an answer.
func TestMemoryIsUsedAgainOnceEncoded(t *testing.T) {
	answers := NewAnswers(10)
	answer, plain := answers.New(1), answers.New(1)
	answer.Reusable()
	ctx := answer.With(t.Context())
	var done []string
	WhenEncoded(ctx, func() { done = append(done, "first") })
	WhenEncoded(ctx, func() { done = append(done, "second") })
	require.Empty(t, done)
	answer.Encoded()
	require.Equal(t, []string{"first", "second"}, done)
	WhenEncoded(ctx, func() { done = append(done, "late") })
	WhenEncoded(plain.With(t.Context()), func() { done = append(done, "of one that is not reusable") })
	WhenEncoded(t.Context(), func() { done = append(done, "of nobody") })
	require.Empty(t, answer.whenEncoded)
	require.Empty(t, plain.whenEncoded)
	answer.Encoded()
	plain.Encoded()
	require.Len(t, done, 2)
}
