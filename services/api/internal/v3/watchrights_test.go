package v3_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	v3 "github.com/quoratedb/quorate/services/api/internal/v3"
)

// guarded is a watch stream over users that a test changes, in a bubble of synctest.
type guarded struct {
	t       *testing.T
	session *fakeSession
	stream  *fakeStream
	sent    chan *etcdserverpb.WatchResponse
	asked   chan *consensusv1.AuthorizeRequest
	tell    chan *consensusv1.FollowAuthResponse
	ended   chan error
	end     context.CancelFunc
}

// newGuarded opens a stream for identity. authorize answers; change may replace how the follower gets to know.
func newGuarded(t *testing.T, identity *auth.Identity, authorize func(*consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error), change func(*v3.Config)) *guarded {
	t.Helper()
	g := &guarded{
		t: t, session: newFakeSession(),
		sent: make(chan *etcdserverpb.WatchResponse, 100), asked: make(chan *consensusv1.AuthorizeRequest, 1000),
		tell: make(chan *consensusv1.FollowAuthResponse), ended: make(chan error, 1),
	}
	users := &fakeAuth{
		authorize: func(r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
			g.asked <- r
			return authorize(r)
		},
		followAuth: func(ctx context.Context, send func(*consensusv1.FollowAuthResponse) error) error {
			for {
				select {
				case state := <-g.tell:
					if err := send(state); err != nil {
						return err
					}
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
	}
	ctx, end := context.WithCancel(auth.With(t.Context(), identity))
	g.end = end
	var follower *auth.Follower
	server := watchServerOver(t, g.session, func(c *v3.Config) {
		c.Auth = users
		if change != nil {
			change(c)
		}
		if c.Follower == nil {
			c.Follower = auth.NewFollower(users, slog.New(slog.DiscardHandler))
		}
		follower = c.Follower
	})
	go follower.Run(ctx)
	g.stream = &fakeStream{ctx: ctx, requests: make(chan *etcdserverpb.WatchRequest, 10)}
	g.stream.send = func(r *etcdserverpb.WatchResponse) error { g.sent <- r; return nil }
	go func() { g.ended <- server.Watch(g.stream) }()
	return g
}

func (g *guarded) close() {
	g.end()
	<-g.ended
}

func (g *guarded) create(id int64, key, end string) {
	g.t.Helper()
	g.stream.request(&etcdserverpb.WatchCreateRequest{WatchId: id, Key: []byte(key), RangeEnd: []byte(end)})
	equal(g.t, &etcdserverpb.WatchResponse{Header: header(revision), WatchId: id, Created: true}, <-g.sent)
	<-g.asked
}

func allowed(enabled bool, revision uint64, name string) (*consensusv1.AuthorizeResponse, error) {
	return &consensusv1.AuthorizeResponse{Enabled: enabled, AuthRevision: revision, Name: name}, nil
}

// Goal: who may not read a range gets etcd's answer and reason, and the store is asked about the range as it came in: "\x00" as a key or an
// end is not taken for one key (GHSA-xg4h-6gfc-h4m8). Method: create watches that are refused, for each reason.
func TestWatchIsRefused(t *testing.T) {
	for refused, reason := range map[error]string{
		errdefs.ErrPermissionDenied: "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
		errdefs.ErrUserNotFound:     "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
		errdefs.ErrUserEmpty:        "rpc error: code = InvalidArgument desc = etcdserver: user name is empty",
		errdefs.ErrInvalidAuthToken: "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
		errdefs.ErrAuthOldRevision:  "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old",
	} {
		synctest.Test(t, func(t *testing.T) {
			alice := &consensusv1.Caller{Token: "t"}
			g := newGuarded(t, &auth.Identity{Caller: alice}, func(*consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) { return nil, refused }, nil)
			defer g.close()
			for _, of := range []struct{ key, end, askedKey string }{{"a", "b", "a"}, {"a", "\x00", "a"}, {"\x00", "\x00", "\x00"}, {"", "\x00", "\x00"}, {"b", "a", "b"}} {
				g.stream.request(&etcdserverpb.WatchCreateRequest{WatchId: 7, Key: []byte(of.key), RangeEnd: []byte(of.end)})
				equal(t, &etcdserverpb.WatchResponse{Header: header(revision), WatchId: -1, Created: true, Canceled: true, CancelReason: reason}, <-g.sent)
				equal(t, &consensusv1.AuthorizeRequest{Caller: alice, Accesses: []*consensusv1.Access{{
					Type: consensusv1.Permission_TYPE_READ, Key: []byte(of.askedKey), RangeEnd: []byte(of.end),
				}}}, <-g.asked)
			}
			require.Empty(t, g.session.added)
		})
	}
}

// Goal: when rights change each watch of a stream is looked at again, once for each range, and only those end that may not be any more; the
// others go on, for the user whom a token has shown, although the token may have ended. Method: four watches of three ranges, one of which
// is taken away.
func TestRightsThatGoEndTheirWatchesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var taken atomic.Bool
		authorize := func(r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
			if taken.Load() && string(r.GetAccesses()[0].GetKey()) == "b" {
				return nil, errdefs.ErrPermissionDenied
			}
			if taken.Load() {
				return allowed(true, 8, "alice")
			}
			return allowed(true, 7, "alice")
		}
		g := newGuarded(t, &auth.Identity{Caller: &consensusv1.Caller{Token: "t"}}, authorize, nil)
		defer g.close()
		g.create(1, "a", "")
		g.create(2, "b", "")
		g.create(3, "b", "")
		g.create(4, "c", "d")
		g.tell <- &consensusv1.FollowAuthResponse{Enabled: true, AuthRevision: 7}
		synctest.Wait()
		require.Empty(t, g.asked, "all of them were created at this revision")

		taken.Store(true)
		g.tell <- &consensusv1.FollowAuthResponse{Enabled: true, AuthRevision: 8}
		ended := map[int64]bool{}
		for range 2 {
			answer := <-g.sent
			ended[answer.GetWatchId()] = true
			equal(t, &etcdserverpb.WatchResponse{
				Header: header(0), WatchId: answer.GetWatchId(), Canceled: true,
				CancelReason: "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
			}, answer)
		}
		require.Equal(t, map[int64]bool{2: true, 3: true}, ended)
		synctest.Wait()
		require.Len(t, g.asked, 3)
		for range 3 {
			require.Equal(t, "alice", (<-g.asked).GetCaller().GetName())
		}
		require.Len(t, g.session.removed, 2)

		g.session.deliveries <- &delivery.Delivery{ID: 1, Batch: putOf(50), Revision: 50}
		require.Equal(t, int64(1), (<-g.sent).GetWatchId())
		g.session.deliveries <- &delivery.Delivery{ID: 2, Batch: putOf(51), Revision: 51} // was on its way
		g.session.deliveries <- &delivery.Delivery{ID: 4, Batch: putOf(52), Revision: 52}
		require.Equal(t, int64(4), (<-g.sent).GetWatchId())
		require.Empty(t, g.asked)
		g.create(2, "a", "") // its id is free again
	})
}

// Goal: a right that went and came back while this node heard of neither ends its watch all the same, and no other one; a watch is answerable for the time
// since it was allowed last, not for that before it was made. Method: the store tells of the newest position alone; what it is asked, and what follows.
func TestRightThatCameBackEndsItsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Uint64
		now.Store(7)
		g := newGuarded(t, &auth.Identity{Caller: &consensusv1.Caller{Token: "t"}}, func(r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
			if since := r.GetSince(); since != nil && since.GetAuthRevision() < 8 && string(r.GetAccesses()[0].GetKey()) == "b" {
				return nil, errdefs.ErrPermissionDenied // it was gone at 8
			}
			return allowed(true, now.Load(), "alice")
		}, nil)
		defer g.close()
		g.create(1, "a", "")
		g.create(2, "b", "")
		now.Store(9)
		g.create(3, "b", "") // the same range, by the right that came back
		g.tell <- &consensusv1.FollowAuthResponse{Enabled: true, AuthRevision: 9}
		answer := <-g.sent
		require.EqualValues(t, 2, answer.GetWatchId())
		require.Equal(t, "rpc error: code = PermissionDenied desc = etcdserver: permission denied", answer.GetCancelReason())
		synctest.Wait()
		require.Empty(t, g.sent)
		now.Store(10)
		for len(g.asked) > 0 {
			require.Equal(t, &consensusv1.AuthPosition{Enabled: true, AuthRevision: 7}, (<-g.asked).GetSince())
		}
		g.tell <- &consensusv1.FollowAuthResponse{Enabled: true, AuthRevision: 10}
		synctest.Wait()
		require.Empty(t, g.sent)
		require.Len(t, g.asked, 2)
		for range 2 {
			require.EqualValues(t, 9, (<-g.asked).GetSince().GetAuthRevision())
		}
	})
}

// promptUsers tell at once how authentication stands.
type promptUsers struct {
	fakeAuth
	revision atomic.Uint64
}

func (p *promptUsers) AuthStands() (enabled bool, authRevision uint64) {
	return true, p.revision.Load()
}

// Goal: in one process no event is shown whose revision is after the one that took the right, whoever is told first. Method: the right
// goes, nobody wakes the stream, and an event comes.
func TestNoEventAfterTheRightHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users := &promptUsers{}
		users.revision.Store(7)
		authorize := func(*consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
			if users.revision.Load() > 7 {
				return nil, errdefs.ErrPermissionDenied
			}
			return allowed(true, 7, "alice")
		}
		g := newGuarded(t, &auth.Identity{Caller: &consensusv1.Caller{Name: "alice"}}, authorize, func(c *v3.Config) {
			c.Follower = auth.NewFollower(users, slog.New(slog.DiscardHandler))
		})
		defer g.close()
		g.create(1, "a", "")
		g.session.deliveries <- &delivery.Delivery{ID: 1, Batch: putOf(50), Revision: 50}
		require.Len(t, (<-g.sent).GetEvents(), 1)
		users.revision.Store(8)
		g.session.deliveries <- &delivery.Delivery{ID: 1, Batch: putOf(51), Revision: 51}
		answer := <-g.sent
		require.True(t, answer.GetCanceled())
		require.Empty(t, answer.GetEvents())
	})
}

// Goal: a watch from now on shows nothing of before its user had the right, where the member had to catch up to know of that. Method:
// the store is further on once it has allowed the watch.
func TestWatchBeginsWhereItWasAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var caughtUp atomic.Int64
		authorize := func(*consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
			caughtUp.Add(5)
			return allowed(true, 7, "alice")
		}
		g := newGuarded(t, &auth.Identity{Caller: &consensusv1.Caller{Token: "t"}}, authorize, func(c *v3.Config) {
			c.Consensus = &fakeConsensus{position: func(context.Context) (*consensusv1.PositionResponse, error) {
				return &consensusv1.PositionResponse{ClusterId: clusterID, MemberId: memberID, RaftTerm: raftTerm, Revision: revision + caughtUp.Load()}, nil
			}}
		})
		defer g.close()
		g.stream.request(&etcdserverpb.WatchCreateRequest{WatchId: 1, Key: []byte("a")})
		equal(t, &etcdserverpb.WatchResponse{Header: header(revision + 5), WatchId: 1, Created: true}, <-g.sent)
		require.EqualValues(t, revision+5+1, (<-g.session.added).GetStartRevision())
	})
}

// Goal: a member that has not got to a change yet does not let a watch go on that another one has told to look again; where nobody ever
// gets there the stream ends, so that its client goes elsewhere. Method: an authorizer that is behind, for a while and for good.
func TestMemberThatIsBehindAllowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var known atomic.Uint64
		known.Store(7)
		g := newGuarded(t, &auth.Identity{Caller: &consensusv1.Caller{Name: "alice"}}, func(*consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
			return allowed(true, known.Load(), "alice")
		}, nil)
		defer g.end()
		g.create(1, "a", "")
		g.tell <- &consensusv1.FollowAuthResponse{Enabled: true, AuthRevision: 8}
		synctest.Wait()
		g.session.deliveries <- &delivery.Delivery{ID: 1, Batch: putOf(50), Revision: 50}
		synctest.Wait()
		require.Empty(t, g.sent)
		known.Store(8)
		require.Len(t, (<-g.sent).GetEvents(), 1)

		g.tell <- &consensusv1.FollowAuthResponse{Enabled: true, AuthRevision: 9}
		require.Equal(t, "etcdserver: request timed out", status.Convert(<-g.ended).Message())
	})
}

// Goal: a watch is that of the user who made it, not of another one who gets the name: one that was deleted may have a stream that is not read, and the
// name be given away before it is. Method: rights change under a watch that was made with a token; whom the store is asked about then.
func TestWatchIsOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t, &auth.Identity{Caller: &consensusv1.Caller{Token: "t"}}, func(r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
			if r.GetCaller().GetName() != "" {
				equal(t, &consensusv1.Caller{Name: "alice", User: 5}, r.GetCaller())
				return nil, errdefs.ErrPermissionDenied
			}
			return &consensusv1.AuthorizeResponse{Enabled: true, AuthRevision: 7, Name: "alice", User: 5}, nil
		}, nil)
		defer g.close()
		g.create(1, "a", "")
		g.tell <- &consensusv1.FollowAuthResponse{Enabled: true, AuthRevision: 9}
		require.True(t, (<-g.sent).GetCanceled())
	})
}

// Goal: once authentication is enabled, which raises no revision, a watch of nobody ends, and one of a client that had shown itself goes
// on. Method: enable it for either.
func TestEnablingEndsWatchesOfNobody(t *testing.T) {
	for _, identity := range []*auth.Identity{nil, {Caller: &consensusv1.Caller{Name: "alice"}}} {
		synctest.Test(t, func(t *testing.T) {
			var enabled atomic.Bool
			g := newGuarded(t, identity, func(r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
				if !enabled.Load() {
					return allowed(false, 7, "")
				}
				if r.GetCaller() == nil {
					return nil, errdefs.ErrUserEmpty
				}
				return allowed(true, 7, r.GetCaller().GetName())
			}, nil)
			defer g.close()
			g.tell <- &consensusv1.FollowAuthResponse{AuthRevision: 7}
			g.create(1, "a", "")
			enabled.Store(true)
			g.tell <- &consensusv1.FollowAuthResponse{Enabled: true, AuthRevision: 7}
			synctest.Wait()
			if identity == nil {
				require.Equal(t, "rpc error: code = InvalidArgument desc = etcdserver: user name is empty", (<-g.sent).GetCancelReason())
				return
			}
			require.Empty(t, g.sent)
			require.Len(t, g.asked, 1)
		})
	}
}

// Goal: rights that a token has brought end with it, and nothing else of a token does. Method: a token that ends, of another issuer and of
// ours, in a bubble of time.
func TestRightsOfATokenEndWithIt(t *testing.T) {
	for _, external := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			identity := &auth.Identity{Caller: &consensusv1.Caller{Name: "oidc:alice", External: external, Revision: 7}, Ends: time.Now().Add(time.Minute)}
			g := newGuarded(t, identity, func(r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
				if r.GetCaller().GetInvalid() {
					return nil, errdefs.ErrInvalidAuthToken
				}
				return allowed(true, 7, "oidc:alice")
			}, nil)
			defer g.close()
			g.create(1, "a", "")
			<-time.After(time.Minute)
			synctest.Wait()
			if external {
				require.Equal(t, "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", (<-g.sent).GetCancelReason())
				return
			}
			require.Empty(t, g.sent)
		})
	}
}

// Goal: where nobody can tell whether a watch may be, the stream ends, and its client goes elsewhere. Method: an authorizer that fails.
func TestWatchEndsWhereNobodyCanTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t, nil, func(*consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
			return nil, errors.Join(errdefs.ErrStopped)
		}, nil)
		defer g.end()
		g.stream.request(&etcdserverpb.WatchCreateRequest{Key: []byte("a")})
		require.Equal(t, "etcdserver: server stopped", status.Convert(<-g.ended).Message())
	})
}
