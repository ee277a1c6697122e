package watch

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/node"
)

// sameStore passes over what nodes broadcast that follow another store than this one: they have not noticed yet that it was replaced,
// or this one has not. Either will begin anew.
type sameStore struct {
	node.Source
	other  func(identity []byte) bool
	log    *slog.Logger
	warned []byte // the last that was passed over
}

// Receive implements node.Source.
func (s *sameStore) Receive(ctx context.Context) (*broadcast.Message, error) {
	for {
		m, err := s.Source.Receive(ctx)
		if err != nil || !s.other(m.Store) {
			return m, err
		}
		if !bytes.Equal(m.Store, s.warned) {
			s.warned = m.Store
			s.log.Warn("a watch node broadcasts the commits of another store, which are passed over until both know which one is there", "through_revision", m.Through)
		}
	}
}
