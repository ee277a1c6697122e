package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
)

// Authorizer says what a caller may do.
type Authorizer interface {
	Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error)
}

// Gate lets requests through whose caller may make them. Its methods may be called concurrently.
type Gate struct {
	authorizer Authorizer
	timeout    time.Duration
	logger     *slog.Logger
}

// NewGate returns a gate that asks authorizer, for timeout at most.
func NewGate(authorizer Authorizer, timeout time.Duration, logger *slog.Logger) *Gate {
	return &Gate{authorizer: authorizer, timeout: timeout, logger: logger}
}

// Admit refuses a request whose caller may not make it, by what its method needs. ctx is of With. The error is ready for the client.
func (g *Gate) Admit(ctx context.Context, need Need, request any) error {
	switch {
	case need.open:
		return nil
	case need.authorize == nil:
		return etcderr.From(g.logger, errdefs.ErrPermissionDenied)
	}
	_, err := g.Ask(ctx, need.authorize(request))
	return etcderr.From(g.logger, err)
}

// Ask asks whether the caller of the request that ctx is of may do what is asked for, which it completes with the caller. It returns
// errors of package errdefs, ErrTimeout among them.
func (g *Gate) Ask(ctx context.Context, question *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	question.Caller = Caller(ctx)
	return g.AskFor(ctx, question)
}

// AskFor is Ask for a question that names its caller.
func (g *Gate) AskFor(ctx context.Context, question *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, g.timeout, errdefs.ErrTimeout)
	defer cancel()
	answer, err := g.authorizer.Authorize(bounded, question)
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(bounded) == errdefs.ErrTimeout {
		err = errdefs.ErrTimeout
	}
	return answer, err
}
