package consensus

import (
	"context"
	"log/slog"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
)

// extensionsEvery is how long the end of tokens that are in use waits to be put off together with others'. It is a part of their
// life, whose second half is when they are noticed.
const extensionsPart, extensionsEvery = 10, 5 * time.Second

// tokenKeeper keeps tokens alive that are in use here.
type tokenKeeper struct {
	tokens   *auth.Tokens
	ttl      time.Duration
	clock    Clock
	proposer *proposer
	log      *slog.Logger
}

// run proposes what puts off the end of tokens, until ctx ends. What fails is noticed again when the tokens are used next.
func (k *tokenKeeper) run(ctx context.Context) error {
	ticker := k.clock.NewTicker(max(time.Millisecond, min(extensionsEvery, k.ttl/extensionsPart)))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
		op := k.tokens.Extend()
		if op == nil {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, confirmMax)
		_, err := k.proposer.internal(bounded, &consensusv1.Command{Command: &consensusv1.Command_Auth{
			Auth: &consensusv1.AuthOp{Op: &consensusv1.AuthOp_ExtendTokens{ExtendTokens: op}},
		}})
		cancel()
		if err != nil && ctx.Err() == nil {
			k.log.Warn("could not put off the end of tokens that are in use; their users may have to log in again", "tokens", len(op.GetIds()), "error", err)
		}
	}
}

// beginSigning has a secret drawn that signs tokens, where there is none and authentication is enabled. Of several that are drawn at
// once the first counts.
func (k *tokenKeeper) beginSigning(ctx context.Context) error {
	_, err := k.proposer.internal(ctx, &consensusv1.Command{Command: &consensusv1.Command_Auth{
		Auth: &consensusv1.AuthOp{Op: &consensusv1.AuthOp_Enable{Enable: &consensusv1.AuthEnableOp{TokenSecret: auth.NewSecret()}}},
	}})
	return err
}
