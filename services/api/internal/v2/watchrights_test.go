package v2

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/port"
)

// promptUsers is a store in this process, which tells at once how authentication stands, and which lets nobody read once it is enabled.
type promptUsers struct {
	port.Auth
	enabled bool
	asked   int
}

func (p *promptUsers) AuthStands() (enabled bool, authRevision uint64) { return p.enabled, 3 }

func (p *promptUsers) Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	p.asked++
	if p.enabled {
		return nil, errdefs.ErrPermissionDenied
	}
	return &consensusv1.AuthorizeResponse{AuthRevision: 3}, nil
}

// enabling is a watch in whose first event authentication is enabled.
type enabling struct {
	fakeWatch
	users *promptUsers
}

func (e *enabling) Open() delivery.Session { return e }

func (e *enabling) Next(ctx context.Context) (*delivery.Delivery, error) {
	e.users.enabled = true
	return e.fakeWatch.Next(ctx)
}

// Goal: a wait that began while authentication was not enabled, and for which nobody was asked then, shows nothing once it is. Method: an event that
// comes with the enabling, and one that does not.
func TestWaitOfNobodyEndsWhenAuthenticationIsEnabled(t *testing.T) {
	for _, enables := range []bool{true, false} {
		event := &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte("/a"), ModRevision: 11, CreateRevision: 11}}
		deliveries := []*delivery.Delivery{{Batch: delivery.NewBatch([]*consensusv1.Event{event})}}
		users := &promptUsers{}
		s := newServer(&fakeStore{}, &fakeWatch{deliveries: deliveries}, t.Context())
		if enables {
			s.Watch = &enabling{fakeWatch{deliveries: deliveries}, users}
		}
		s.Auth, s.Follower = users, auth.NewFollower(users, slog.New(slog.DiscardHandler))
		w := ask(t, s, "GET", "/v2/keys/a?wait=true", "")
		require.Equal(t, 200, w.Code)
		require.Equal(t, enables, w.Body.Len() == 0, w.Body)
		require.Equal(t, enables, users.asked > 0)
	}
}
