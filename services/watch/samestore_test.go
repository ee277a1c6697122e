package watch

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
)

// toldMessages is a source of messages, and ends with io.EOF.
type toldMessages []*broadcast.Message

func (f *toldMessages) Receive(context.Context) (*broadcast.Message, error) {
	if len(*f) == 0 {
		return nil, io.EOF
	}
	m := (*f)[0]
	*f = (*f)[1:]
	return m, nil
}

// Goal: a watch node that has noticed that the store was replaced is not moved forward again by the heartbeat of one that has not ("a
// watch opened in that second misses events"). Method: messages of the store that is there, of another, and of who does not say.
func TestBroadcastsOfAnotherStoreArePassedOver(t *testing.T) {
	s := &sameStore{
		Source: &toldMessages{
			{Follows: 15, Through: 15, Store: []byte("first")},
			{Follows: 3, Through: 3, Store: []byte("second")},
			{Follows: 15, Through: 16, Store: []byte("first")},
			{Follows: 4, Through: 4},
		},
		other: func(store []byte) bool { return string(store) == "first" },
		log:   slog.New(slog.DiscardHandler),
	}
	for _, through := range []int64{3, 4} {
		m, err := s.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, through, m.Through)
	}
	_, err := s.Receive(t.Context())
	require.ErrorIs(t, err, io.EOF)
}

// changingStore is a store whose identity changes.
type changingStore struct {
	*fakeFeed
	identity []byte
}

func (c *changingStore) Identity() []byte  { return c.identity }
func (c *changingStore) Other([]byte) bool { return false }

// Goal: what a node tells of its position names the store that it began with, until it has begun anew with the other one. Method: an
// identity that changes, before and after the node is told.
func TestPositionNamesItsStore(t *testing.T) {
	store := &changingStore{fakeFeed: newFakeFeed()}
	cfg := tightConfig(store)
	cfg.Identity = store
	s, err := New(cfg)
	require.NoError(t, err)
	require.Nil(t, s.Store(), "it is not known yet")
	store.identity = []byte("first")
	require.Equal(t, "first", string(s.Store()))
	store.identity = []byte("second")
	require.Equal(t, "first", string(s.Store()))
	s.StoreReplaced()
	require.Equal(t, "second", string(s.Store()))
}
