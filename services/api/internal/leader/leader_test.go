package leader

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// cluster is one whose leader the test sets; unreachable it is at -1.
type cluster struct {
	leader, asked atomic.Int64
	corrupt       atomic.Bool
}

func (c *cluster) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	c.asked.Add(1)
	leader := c.leader.Load()
	if leader < 0 {
		return nil, errors.New("out of reach")
	}
	return &consensusv1.PositionResponse{LeaderId: uint64(leader), Corrupt: c.corrupt.Load()}, nil
}

func wanting(ctx context.Context) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.Pairs(rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader))
}

// Goal: only a call that wants a leader is refused, and only while there is none. Method: each of the four, and a
// cluster that cannot be asked.
func TestRequire(t *testing.T) {
	c := &cluster{}
	m := New(c, time.Second)
	require.NoError(t, m.Require(t.Context()))
	require.Equal(t, rpctypes.ErrGRPCNoLeader, m.Require(wanting(t.Context())))
	c.leader.Store(7)
	require.NoError(t, m.Require(wanting(t.Context())))
	c.leader.Store(-1)
	require.Equal(t, rpctypes.ErrGRPCNoLeader, m.Require(wanting(t.Context())))
	asked := c.asked.Load()
	require.NoError(t, m.Require(t.Context()))
	require.Equal(t, asked, c.asked.Load(), "others cost nothing")
}

// Goal: a stream that wants a leader ends once there has been none for the loss time, not before and not for a short
// gap; one that does not stays. Nobody is asked while no stream wants to know. Method: a bubble whose time the test moves.
func TestStreamsEndWithoutLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{}
		c.leader.Store(1)
		m := New(c, 3*time.Second)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { m.Run(ctx); close(ended) }()
		defer func() { stop(); <-ended }()
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}

		pass(time.Hour)
		require.Zero(t, c.asked.Load())

		follow := func(ctx context.Context) (context.Context, func()) {
			ctx, end := context.WithCancelCause(ctx)
			return ctx, m.Follow(ctx, false, end)
		}
		plain, unfollowPlain := follow(t.Context())
		defer unfollowPlain()
		first, unfollowFirst := follow(wanting(t.Context()))
		defer unfollowFirst()
		pass(time.Minute)
		c.leader.Store(0)
		pass(2 * time.Second)
		c.leader.Store(2)
		pass(time.Minute)
		require.NoError(t, first.Err(), "a short gap")

		c.leader.Store(0)
		pass(2 * time.Second)
		require.NoError(t, first.Err())
		pass(2 * time.Second)
		require.Equal(t, rpctypes.ErrGRPCNoLeader, context.Cause(first))
		require.NoError(t, plain.Err())

		pass(time.Second)
		asked := c.asked.Load()
		pass(time.Hour)
		require.Equal(t, asked, c.asked.Load(), "nobody wants to know any more")

		c.leader.Store(3)
		second, unfollowSecond := follow(wanting(t.Context()))
		pass(time.Minute)
		require.NoError(t, second.Err())
		unfollowSecond()
		c.leader.Store(0)
		pass(time.Minute)
		require.NoError(t, second.Err(), "it is not followed any more")
	})
}

// Goal: on a member whose state is corrupt, watches end and none begins, with "corrupt" or, where a leader is wanted, with
// what has clients go elsewhere; other streams go on unless they want a leader. Method: one of each, before and after.
func TestCorruptStateEndsWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{}
		c.leader.Store(1)
		m := New(c, 3*time.Second)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { m.Run(ctx); close(ended) }()
		defer func() { stop(); <-ended }()
		cases := []struct {
			wanting, watching bool
			err               error
		}{
			{false, false, nil},
			{false, true, rpctypes.ErrGRPCCorrupt},
			{true, false, rpctypes.ErrGRPCNoLeader},
			{true, true, rpctypes.ErrGRPCNoLeader},
		}
		admit := func(ctx context.Context, watching bool) error {
			if watching {
				return m.RequireForWatch(ctx)
			}
			return m.Require(ctx)
		}
		var streams []context.Context
		for _, each := range cases {
			ctx := t.Context()
			if each.wanting {
				ctx = wanting(ctx)
			}
			require.NoError(t, admit(ctx, each.watching))
			ctx, end := context.WithCancelCause(ctx)
			defer m.Follow(ctx, each.watching, end)()
			streams = append(streams, ctx)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		for _, stream := range streams {
			require.NoError(t, stream.Err())
		}
		c.corrupt.Store(true)
		<-time.After(2 * time.Second)
		synctest.Wait()
		for i, each := range cases {
			require.Equal(t, each.err, context.Cause(streams[i]))
			require.Equal(t, each.err, admit(streams[i], each.watching))
		}
	})
}
