package consensusnode

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

type told []bool

func (t told) FollowAuth(ctx context.Context, _ *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	for i, enabled := range t {
		if err := send(&consensusv1.FollowAuthResponse{Enabled: enabled, AuthRevision: uint64(i)}); err != nil {
			return err
		}
	}
	return nil
}

// Goal: an operator hears once of each time that authentication is enabled without certificates between services. Method: changes of
// both kinds.
func TestEnablingWithoutCertificatesIsWarnedOf(t *testing.T) {
	for _, test := range []struct {
		told     told
		warnings int
	}{{told{false, false}, 0}, {told{true, true}, 1}, {told{false, true, true, false, true}, 2}} {
		var log bytes.Buffer
		require.NoError(t, warnOfCallers(t.Context(), test.told, slog.New(slog.NewTextHandler(&log, nil))))
		require.Equal(t, test.warnings, strings.Count(log.String(), "--internal-cert-file"), "%v", test.told)
	}
}
