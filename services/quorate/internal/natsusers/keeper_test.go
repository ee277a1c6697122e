package natsusers

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// store is one whose members agree or not, with users or without.
type store struct {
	Auth
	noLeader, enabled bool
}

func (s store) ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	if s.noLeader {
		return nil, errdefs.ErrNoLeader
	}
	return &consensusv1.ReadAuthResponse{Enabled: s.enabled}, nil
}

func (s store) Authorize(_ context.Context, r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return &consensusv1.AuthorizeResponse{Enabled: s.enabled}, nil
}

func (s store) Authenticate(_ context.Context, r *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
	if r.GetPassword() != "right" {
		return nil, errdefs.ErrAuthFailed
	}
	return &consensusv1.AuthenticateResponse{}, nil
}

// Goal: without users NATS clients come in whether or not there is a leader, and with users nobody does without a password, whether or
// not there is one. Method: all four.
func TestAdmitWithAndWithoutALeader(t *testing.T) {
	for _, s := range []store{{}, {noLeader: true}, {enabled: true}, {noLeader: true, enabled: true}} {
		k := newKeeper(s, slog.New(slog.DiscardHandler))
		rights, enabled, err := k.Admit("ann", "wrong")
		require.Equal(t, s.enabled, enabled, "%+v", s)
		require.Equal(t, s.enabled, errors.Is(err, errdefs.ErrAuthFailed), "%+v", s)
		require.False(t, rights.Everything)
		_, _, err = k.Admit("ann", "right")
		require.NoError(t, err, "%+v", s) // this store lets everybody read everything
	}
}
