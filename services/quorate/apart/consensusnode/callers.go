package consensusnode

import (
	"context"
	"log/slog"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// follower tells how authentication stands, as consensus.Auth does.
type follower interface {
	FollowAuth(ctx context.Context, req *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error
}

// warnOfCallers warns, whenever authentication is enabled or found enabled, that whoever reaches the internal port is believed for whom it
// asks: without certificates anybody who gets there is everybody.
func warnOfCallers(ctx context.Context, auth follower, log *slog.Logger) error {
	enabled := false
	err := auth.FollowAuth(ctx, &consensusv1.FollowAuthRequest{}, func(now *consensusv1.FollowAuthResponse) error {
		if now.GetEnabled() && !enabled {
			log.Warn("authentication is enabled, but calls between services carry no certificates: whoever reaches the internal port may act as any user; " +
				"set --internal-cert-file, --internal-key-file and --internal-trusted-ca-file on all services")
		}
		enabled = now.GetEnabled()
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
