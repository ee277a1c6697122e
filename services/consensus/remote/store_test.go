package remote

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

// replacements tells of each replacement of the client's store.
func (c *Client) replacements(t *testing.T) <-chan struct{} {
	told := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.FollowReplacements(ctx, func() { told <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return told
}

func (f *fake) hold(incarnation uint64, revision int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.incarnation, f.mu.revision = incarnation, revision
}

// Goal: a store that came back with another data directory is noticed before anybody reads, and serializable reads do not wait for
// revisions that only the first one had ("serializable reads hang"). Method: a member with less that takes the place of another;
// one without a leader, which its cluster may refuse, does not count.
func TestReplacedStoreIsNoticed(t *testing.T) {
	f := serve(t, 1)
	f.hold(101, 15)
	c := open(t, f)
	told := c.replacements(t)
	c.put(t)
	c.get(t, true)
	require.EqualValues(t, 15, f.mu.seen)

	f.hold(202, 3)
	f.follow(0, 2)
	await(c, c.heard(1, 0, 2))
	require.Empty(t, told)
	f.follow(1, 3)
	<-told
	c.get(t, true)
	require.Zero(t, f.mu.seen)
	c.put(t)
	c.get(t, true)
	require.EqualValues(t, 3, f.mu.seen)
}

// Goal: a store that went back without another directory, as one does that was forced to go on with one member's data, is noticed
// by what a quorum confirms. Method: a read index below what was shown.
func TestConfirmedRevisionBelowAnEarlierOneIsNoticed(t *testing.T) {
	f := serve(t, 1)
	f.hold(101, 15)
	c := open(t, f)
	told := c.replacements(t)
	c.put(t)
	f.hold(101, 3)
	_, err := c.ReadIndex(t.Context(), &consensusv1.ReadIndexRequest{})
	require.NoError(t, err)
	<-told
	require.EqualValues(t, 3, c.store.seen.Load())
}

// Goal: a store that is replaced again while the services still forget the one before is forgotten too. Method: one that goes back
// within forget, before which nobody waits for a replacement.
func TestReplacementWhileAnotherIsForgottenIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(nil, time.Second, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // ends it where a replacement is lost
		defer cancel()
		forgotten := 0
		goBack := func() {
			c.store.sees(15)
			c.store.confirms(3, known{seen: 15})
		}
		goBack()
		require.NoError(t, c.FollowReplacements(ctx, func() {
			if forgotten++; forgotten == 1 {
				goBack()
			} else {
				cancel()
			}
		}))
		require.Equal(t, 2, forgotten)
	})
}

// Goal: no call waits for ever where no member can be reached ("they hang for over 20 s"). Method: calls without a deadline, to
// nobody, among them such as may be long.
func TestCallsToNobodyEnd(t *testing.T) {
	set, err := resolver.New(resolver.Config{Endpoints: []string{"http://127.0.0.1:1"}})
	require.NoError(t, err)
	c := New(set, time.Millisecond, nil)
	_, err = c.Propose(t.Context(), &consensusv1.ProposeRequest{})
	require.ErrorIs(t, err, errdefs.ErrTimeout)
	_, err = c.Range(t.Context(), &consensusv1.RangeRequest{})
	require.ErrorIs(t, err, errdefs.ErrTimeout)
	_, err = c.ReadIndex(t.Context(), &consensusv1.ReadIndexRequest{})
	require.ErrorIs(t, err, errdefs.ErrTimeout)
	err = c.RangeStream(t.Context(), &consensusv1.RangeStreamRequest{}, nil)
	require.ErrorIs(t, err, errdefs.ErrTimeout)
}

// Goal: nodes that have not noticed yet that the store was replaced, and those that have, know each other from what they say, whoever
// of the members each has met. Method: the same members with other data; a member more; another cluster.
func TestIdentitiesTellStoresApart(t *testing.T) {
	node := func() *Client { return New(nil, time.Second, nil) }
	meet := func(c *Client, cluster, member, incarnation uint64) {
		c.store.meet(&consensusv1.Standing{LeaderId: 1, ClusterId: cluster, MemberId: member, Incarnation: incarnation})
	}
	stale, noticed, fresh := node(), node(), node()
	require.Nil(t, fresh.Identity())
	require.False(t, fresh.Other(nil))
	for member := range uint64(3) {
		meet(stale, 7, 1+member, 101+member)
		meet(noticed, 7, 1+member, 101+member)
	}
	require.False(t, stale.Other(noticed.Identity()))

	meet(noticed, 7, 1, 201)
	require.True(t, stale.Other(noticed.Identity()))
	require.True(t, noticed.Other(stale.Identity()))
	partly := node()
	meet(partly, 7, 2, 102) // all that it has met is of the first
	require.True(t, noticed.Other(partly.Identity()))
	meet(noticed, 7, 2, 202)
	meet(noticed, 7, 4, 204)
	meet(fresh, 7, 1, 201)
	require.False(t, fresh.Other(noticed.Identity()), "it has not met the members added since")
	require.False(t, noticed.Other(fresh.Identity()))
	meet(fresh, 8, 1, 301)
	require.True(t, noticed.Other(fresh.Identity()))
}

// Goal: a client that an event, or the end of a lease, was told of reads nothing older, though no member told it; and what a watch node of
// another store told, which has not noticed yet that it was replaced, has no effect for long. Method: revisions above that of the members,
// and an answer that a quorum has confirmed.
func TestReadsWaitForWhatOtherServicesTold(t *testing.T) {
	f := serve(t, 1)
	f.hold(101, 15)
	c := open(t, f)
	told := c.replacements(t)
	c.put(t)
	c.Shown(20)
	c.Shown(17)
	_, err := c.Status(t.Context(), &consensusv1.StatusRequest{Nearest: true})
	require.NoError(t, err)
	require.EqualValues(t, 20, f.mu.shown.GetRevision())
	f.hold(101, 30)
	c.get(t, true)
	require.EqualValues(t, 20, f.mu.seen)
	c.get(t, true)
	require.EqualValues(t, 30, f.mu.seen)

	c.Shown(1000)
	c.put(t)
	c.get(t, true)
	require.EqualValues(t, 30, f.mu.seen)
	require.Empty(t, told, "nothing says that the store is another one")
}
