package v2

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/port"
)

// fakeStore answers with what its fields hold; what a test does not set is not called.
type fakeStore struct {
	port.Consensus
	propose  func(context.Context, *consensusv1.TreeOp) (*consensusv1.Result, error)
	read     func(context.Context, *consensusv1.ReadTreeRequest) (*consensusv1.ReadTreeResponse, error)
	position *consensusv1.PositionResponse
	status   *consensusv1.StatusResponse
	members  []*consensusv1.Member
	change   error // of members
	// becomesCorrupt is as soon as somebody waits; unfollowed is set when nobody does any more.
	becomesCorrupt, unfollowed bool
}

func (f *fakeStore) Propose(ctx context.Context, r *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	result, err := f.propose(ctx, r.GetCommand().GetTree())
	return &consensusv1.ProposeResponse{Result: result}, err
}

func (f *fakeStore) ReadTree(ctx context.Context, r *consensusv1.ReadTreeRequest) (*consensusv1.ReadTreeResponse, error) {
	return f.read(ctx, r)
}

func (f *fakeStore) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return f.position, nil
}

func (f *fakeStore) Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	return f.status, nil
}

func (f *fakeStore) Members(context.Context, *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error) {
	return &consensusv1.MembersResponse{Members: f.members}, nil
}

func (f *fakeStore) AddMember(context.Context, *consensusv1.AddMemberRequest) (*consensusv1.AddMemberResponse, error) {
	return &consensusv1.AddMemberResponse{Member: &consensusv1.Member{Id: 0xab, PeerUrls: []string{"http://h:1"}}}, f.change
}

func (f *fakeStore) UpdateMember(context.Context, *consensusv1.UpdateMemberRequest) (*consensusv1.UpdateMemberResponse, error) {
	return &consensusv1.UpdateMemberResponse{}, f.change
}

func (f *fakeStore) RemoveMember(context.Context, *consensusv1.RemoveMemberRequest) (*consensusv1.RemoveMemberResponse, error) {
	return &consensusv1.RemoveMemberResponse{}, f.change
}

func (f *fakeStore) TreeStatistics(context.Context, *consensusv1.TreeStatisticsRequest) (*consensusv1.TreeStatisticsResponse, error) {
	return &consensusv1.TreeStatisticsResponse{}, nil
}

// noUsers is a store whose authentication is not enabled.
type noUsers struct{ port.Auth }

func (noUsers) Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return &consensusv1.AuthorizeResponse{}, nil
}

// fakeWatch is a session that hands out given deliveries, and then waits for its context.
type fakeWatch struct {
	delivery.Session
	added      *watchv1.Watch
	deliveries []*delivery.Delivery
	closed     bool
}

func (f *fakeWatch) Open() delivery.Session { return f }

func (f *fakeWatch) Add(w *watchv1.Watch) error {
	f.added = w
	return nil
}

func (f *fakeWatch) Next(ctx context.Context) (*delivery.Delivery, error) {
	if len(f.deliveries) == 0 {
		<-ctx.Done()
		return nil, errors.New("the wait is over")
	}
	d := f.deliveries[0]
	f.deliveries = f.deliveries[1:]
	return d, nil
}

func (f *fakeWatch) Close() { f.closed = true }

// now is the time in tests.
var now = time.Date(2026, 11, 22, 8, 0, 0, 500_000_000, time.UTC)

func newServer(store *fakeStore, watch *fakeWatch, ending context.Context) *Server {
	if store.position == nil {
		store.position = &consensusv1.PositionResponse{ClusterId: 0xc, Revision: 10, RaftIndex: 20, RaftTerm: 3}
	}
	logger := slog.New(slog.DiscardHandler)
	return New(Config{
		Consensus: store, Tree: store, Watch: watch, Auth: noUsers{}, Follower: auth.NewFollower(nil, logger), Identifier: auth.New(auth.Config{}),
		Logger: logger, Ending: ending,
		Follow: func(end context.CancelCauseFunc) func() {
			if store.becomesCorrupt {
				end(errors.New("corrupt"))
			}
			return func() { store.unfollowed = true }
		},
		RequestTimeout: time.Second, RequestBytesMax: 100, Now: func() time.Time { return now },
	})
}

// ask makes a request and returns its answer.
func ask(t *testing.T, s *Server, method, target, form string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form)).WithContext(t.Context())
	kind := "application/x-www-form-urlencoded"
	if strings.HasPrefix(form, "{") {
		kind = "application/json"
	}
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	http.Handler(s).ServeHTTP(w, r)
	return w
}
