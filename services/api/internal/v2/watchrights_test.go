package v2

import (
	"context"
	"log/slog"
	"slices"
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

// lostRights is a store in which some rights were taken at auth revision 8 and are there again at 9.
type lostRights struct {
	port.Auth
	// lost are the keys that could not be read at 8, never those that never could.
	lost, never []string
}

func (l *lostRights) Authorize(_ context.Context, r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	key := string(r.GetAccesses()[0].GetKey())
	since := r.GetSince()
	if slices.Contains(l.never, key) || slices.Contains(l.lost, key) && since != nil && since.GetAuthRevision() < 8 {
		return nil, errdefs.ErrPermissionDenied
	}
	return &consensusv1.AuthorizeResponse{Enabled: true, AuthRevision: 9, Name: "ann", User: 3}, nil
}

// Goal: a wait whose right went and came back unnoticed ends, one that had another right meanwhile goes on, and it shows the file by the rights of now.
// Method: each of the rights lost, or never there.
func TestWaitWhoseRightCameBackEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		recursive   bool
		lost, never []string
		ends, file  bool
	}{
		"a file":                             {lost: []string{"/a"}, never: []string{"/a/"}, ends: true},
		"a file, while all below stayed":     {lost: []string{"/a"}, file: true},
		"all":                                {lost: []string{"/a", "/a/"}, ends: true},
		"what is below, of a file":           {lost: []string{"/a/"}, file: true},
		"what is below":                      {recursive: true, lost: []string{"/a/"}, ends: true},
		"the file of a directory":            {recursive: true, lost: []string{"/a"}, file: true},
		"nothing, and the file is not to be": {recursive: true, never: []string{"/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(&fakeStore{}, &fakeWatch{}, t.Context())
			s.Auth = &lostRights{lost: tc.lost, never: tc.never}
			w := &watchRights{server: s, path: "/a", recursive: tc.recursive, user: &consensusv1.Caller{Name: "ann", User: 3}, checked: 7<<1 + 1}
			err := w.askFor(t.Context(), w.user)
			if tc.ends {
				require.ErrorIs(t, err, errdefs.ErrPermissionDenied)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.file, w.file)
			require.EqualValues(t, 9<<1+1, w.checked)
		})
	}
}
