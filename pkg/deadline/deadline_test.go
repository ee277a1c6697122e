package deadline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/deadline"
)

var errLate = errors.New("late")

type key struct{}

// Goal: it ends when its time is up, and says why, as do contexts that are made of it. Method: fake time, asked before and only afterwards.
func TestItEndsWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, silent := deadline.Within(t.Context(), time.Second, errLate), deadline.Within(t.Context(), time.Second, errLate)
		made, cancel := context.WithCancel(asked)
		defer cancel()
		require.NoError(t, asked.Err())
		require.False(t, silent.Over(time.Now()))
		<-made.Done()
		for _, one := range []*deadline.Bounded{asked, silent} {
			require.True(t, one.Over(time.Now()))
			require.Equal(t, context.DeadlineExceeded, one.Err())
			require.Equal(t, errLate, context.Cause(one))
			one.End()
			require.Equal(t, errLate, context.Cause(one), "it has ended before")
		}
		require.Equal(t, errLate, context.Cause(made))
	})
}

// Goal: it ends with the context it is made of, whose reason and values it has. Method: one that was asked and one that was not, before and after.
func TestItEndsLikeWhatItIsMadeOf(t *testing.T) {
	parent, end := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
	asked, silent := deadline.Within(parent, time.Hour, errLate), deadline.Within(parent, time.Hour, errLate)
	require.NoError(t, asked.Err())
	end(errors.New("gone"))
	for _, one := range []*deadline.Bounded{asked, silent} {
		require.EqualError(t, context.Cause(one), "gone")
		<-one.Done()
		require.Equal(t, context.Canceled, one.Err())
		require.EqualError(t, context.Cause(one), "gone")
		require.Equal(t, "value", one.Value(key{}))
		one.End()
		require.Equal(t, "value", one.Value(key{}))
	}
}

// Goal: who holds on to it learns that it was ended, and it knows the nearer of two times. Method: End, before anybody has asked and after.
func TestItCanBeEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Minute)
		defer cancel()
		asked, silent := deadline.Within(parent, time.Hour, errLate), deadline.Within(parent, time.Second, errLate)
		require.NoError(t, asked.Err())
		for one, within := range map[*deadline.Bounded]time.Duration{asked: time.Minute, silent: time.Second} {
			until, ok := one.Deadline()
			require.True(t, ok)
			require.Equal(t, within, time.Until(until))
			one.End()
			one.End()
			<-one.Done()
			require.Equal(t, context.Canceled, one.Err())
			require.Equal(t, "value", one.Value(key{}))
		}
	})
}
