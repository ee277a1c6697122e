package lease

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// TestAnswersSayWhere checks the revision of each answer: one that shows a lease alive is below that of its end, and one that
// shows it gone, after a revoke here or one that this service does not know of yet, is not.
func TestAnswersSayWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		s, _ := run(t, f, nil)
		grant(t, s, 1, 60)
		grant(t, s, 2, 60)
		f.attach(1, "a")
		f.attach(2, "b")
		look := func(id int64) *leasev1.TimeToLiveResponse {
			resp, err := s.TimeToLive(t.Context(), &leasev1.TimeToLiveRequest{Id: id, Keys: true})
			require.NoError(t, err)
			return resp
		}

		kept, err := s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.NoError(t, err)
		require.EqualValues(t, 1, kept.Revision)
		require.EqualValues(t, 1, look(1).Revision)
		listed, err := s.List(t.Context(), &leasev1.ListRequest{})
		require.NoError(t, err)
		require.EqualValues(t, 1, listed.Revision)

		revoked, err := s.Revoke(t.Context(), &leasev1.RevokeRequest{Id: 1})
		require.NoError(t, err)
		require.EqualValues(t, 2, revoked.Revision)
		require.Equal(t, []int64{-1, 2}, []int64{look(1).Ttl, look(1).Revision})
		kept, err = s.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{1}})
		require.NoError(t, err)
		require.Equal(t, []int64{0}, kept.Ttls)
		require.EqualValues(t, 2, kept.Revision)

		_, err = f.Propose(t.Context(), &proposeRequest{Command: revokeCommand(0, 2)})
		require.NoError(t, err)
		require.Equal(t, []int64{-1, 3}, []int64{look(2).Ttl, look(2).Revision})
	})
}
