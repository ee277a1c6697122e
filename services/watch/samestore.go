package watch

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/match"
)

// Identity tells stores apart: one may take another's place, with revisions that mean something else, and not all nodes notice at
// the same time.
type Identity interface {
	// Identity is which store is there, as far as is known, nil for not at all.
	Identity() []byte
	// Other tells whether an identity, which another node has told, is certainly that of another store.
	Other(identity []byte) bool
}

// sameStore passes over what nodes broadcast that follow another store than this one: they have not noticed yet that it was replaced,
// or this one has not. Either will begin anew.
type sameStore struct {
	match.Source
	other  func(identity []byte) bool
	log    *slog.Logger
	warned []byte // the last that was passed over
}

// Receive implements match.Source.
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

// Store is the identity of the store that the node's position is of, nil if it is not known. Whoever tells a position with it asks
// for it first: what comes between is then told as of the store before, which nobody takes.
func (s *Service) Store() []byte {
	if s.cfg.Identity == nil {
		return nil
	}
	if s.store.Load() == nil {
		if now := s.cfg.Identity.Identity(); now != nil {
			s.store.CompareAndSwap(nil, &now)
		}
	}
	if known := s.store.Load(); known != nil {
		return *known
	}
	return nil
}
