package upgrade

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// oldServerEnv names the binary of the older version.
	oldServerEnv = "QUORATE_OLD_SERVER"
	// writesBetween is how many writes are acknowledged between two steps, so that each mixture of versions does some work.
	writesBetween = 1500
)

// oldCluster starts three members of the older version. It also returns the path of today's program.
func oldCluster(t *testing.T) (members harness.Cluster, today string) {
	t.Helper()
	old := os.Getenv(oldServerEnv)
	if old == "" {
		t.Skipf("%s does not name the binary of an older version: make upgrade builds it", oldServerEnv)
	}
	if !filepath.IsAbs(old) {
		old = filepath.Join(harness.Root(), old)
	}
	today, err := harness.Binary()
	require.NoError(t, err)
	require.NotEqual(t, today, old)
	members = harness.NewCluster(harness.Config{Binary: old, DataDir: t.TempDir()}, 3)
	require.NoError(t, members.Start(t.Context()))
	t.Cleanup(func() {
		members.Kill()
		for i, member := range members {
			if t.Failed() {
				t.Logf("the output of member %d:\n%s", i, member.Output())
			}
		}
	})
	return members, today
}

// Goal: members of an older version are replaced by today's one at a time, on their data directories, and clients notice
// nothing but retries: no acknowledged write is lost, watches miss and repeat nothing, leases live, and the members hold the same,
// of one version and of two. Method: three members under load; a follower is stopped, the leader is killed, the last one is
// stopped, each started anew as today's program; before, between and after, all hashes at one revision are compared.
func TestMembersAreUpgradedUnderLoad(t *testing.T) {
	members, today := oldCluster(t)
	clients := begin(t, members)
	clients.more(t, writesBetween)
	agree(t, members)
	waiting := append(harness.Cluster{}, members...)
	for _, killed := range []bool{false, true, false} {
		leader := leaderOf(t, members)
		next := 0
		for i, member := range waiting {
			if (member == leader) == killed {
				next = i
			}
		}
		member := waiting[next]
		waiting = append(waiting[:next], waiting[next+1:]...)
		how := "stopped"
		if killed {
			how = "killed"
			member.Kill()
		} else {
			code, err := member.Stop(syscall.SIGTERM)
			require.NoError(t, err)
			require.Zero(t, code)
		}
		clients.more(t, writesBetween) // by the other two
		member.SetBinary(today)
		require.NoError(t, member.Start(t.Context()))
		t.Logf("%s was %s and runs as today's program, which leads: %t", member.Endpoint(), how, leaderOf(t, members) == member)
		clients.more(t, writesBetween)
		agree(t, members)
	}
	// A leader of today's version leaves, and comes back to what the others wrote meanwhile.
	leader := leaderOf(t, members)
	leader.Kill()
	clients.more(t, writesBetween)
	require.NoError(t, leader.Start(t.Context()))
	clients.end(t)
	agree(t, members)
}

// Goal: a member of today's version joins a cluster of an older one and holds what that holds, first as a learner that is
// promoted, then as a leader of the others. Method: three old members under load, and a fourth that joins.
func TestMemberJoinsAnOlderCluster(t *testing.T) {
	members, today := oldCluster(t)
	clients := begin(t, members)
	clients.more(t, writesBetween)
	client := clients.dial(t)
	var joined *harness.Server
	var err error
	require.Eventually(t, func() bool { // the older version takes no member before its own have been connected for five seconds
		joined, err = members.Join(t.Context(), client, today, "new", true)
		return !errors.Is(err, rpctypes.ErrUnhealthy)
	}, 30*time.Second, 100*time.Millisecond, "no member may be added")
	require.NoError(t, err)
	t.Cleanup(joined.Kill)
	clients.more(t, writesBetween)
	own := harness.Client(t, joined)
	var status *clientv3.StatusResponse
	require.Eventually(t, func() bool {
		status, err = own.Status(t.Context(), joined.Endpoint())
		if err != nil {
			return false
		}
		_, err = client.MemberPromote(t.Context(), status.Header.MemberId)
		return err == nil
	}, 30*time.Second, 100*time.Millisecond, "the learner is not promoted")
	clients.more(t, writesBetween)
	all := append(append(harness.Cluster{}, members...), joined)
	agree(t, all)
	_, err = harness.Client(t, leaderOf(t, all)).MoveLeader(t.Context(), status.Header.MemberId)
	require.NoError(t, err)
	require.Same(t, joined, leaderOf(t, all))
	clients.more(t, writesBetween)
	clients.end(t)
	agree(t, all)
}

// leaderOf waits until all members name the same leader, and returns it.
func leaderOf(t *testing.T, members harness.Cluster) *harness.Server {
	t.Helper()
	var leader *harness.Server
	require.Eventually(t, func() bool {
		named := map[uint64]bool{}
		leader = nil
		for _, member := range members {
			status, err := harness.Client(t, member).Status(harness.Context(t), member.Endpoint())
			if err != nil {
				return false
			}
			named[status.Leader] = true
			if status.Leader == status.Header.MemberId {
				leader = member
			}
		}
		return len(named) == 1 && leader != nil
	}, 30*time.Second, 100*time.Millisecond, "the members do not name one leader")
	return leader
}

// agree compares the members' hashes at one revision, and looks for alarms.
func agree(t *testing.T, members harness.Cluster) {
	t.Helper()
	ctx := harness.Context(t)
	first := harness.Client(t, members[0])
	var revision int64
	var hashes []*clientv3.HashKVResponse
	var last error
	assert.Eventually(t, func() bool {
		var read *clientv3.GetResponse
		if read, last = first.Get(ctx, "a"); last != nil {
			return false
		}
		revision, hashes = read.Header.Revision, nil // a newer one with each attempt: clients compact meanwhile
		for _, member := range members {
			client := harness.Client(t, member)
			var hash *clientv3.HashKVResponse
			if hash, last = client.HashKV(ctx, member.Endpoint(), revision); last != nil {
				return false // it is behind that revision
			}
			hashes = append(hashes, hash)
			if hash.CompactRevision != hashes[0].CompactRevision {
				return false // they hash what a compaction has left
			}
		}
		return true
	}, 20*time.Second, 50*time.Millisecond)
	require.Len(t, hashes, len(members), "hashes at revision %d: %v, %v", revision, hashes, last)
	for i, hash := range hashes {
		assert.Equal(t, hashes[0].Hash, hash.Hash, "member %d at revision %d", i, revision)
	}
	alarms, err := first.AlarmList(ctx)
	require.NoError(t, err)
	assert.Empty(t, alarms.Alarms)
}
