package clientv3

import (
	"crypto/sha256"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: the only member is listed as it was started, and leads. Method: compare with the server's flags.
func TestMemberList(t *testing.T) {
	k, s := own(t)
	for range 2 {
		resp, err := k.MemberList(k.ctx)
		require.NoError(t, err)
		require.Len(t, resp.Members, 1)
		member := resp.Members[0]
		require.Equal(t, "one", member.Name)
		require.Equal(t, []string{s.URL()}, member.ClientURLs)
		require.Len(t, member.PeerURLs, 1)
		require.False(t, member.IsLearner)
		require.Equal(t, resp.Header.MemberId, member.ID)
		status, err := k.Status(k.ctx, s.Endpoint())
		require.NoError(t, err)
		require.Equal(t, member.ID, status.Leader)
	}
}

// Goal: status tells who leads, how far raft is and how much is stored. Method: between two calls stands a write.
func TestStatus(t *testing.T) {
	k := open(t)
	before, err := k.Status(k.ctx, shared.Endpoint())
	require.NoError(t, err)
	rev := k.put("a", "v")
	after, err := k.Status(k.ctx, shared.Endpoint())
	require.NoError(t, err)
	require.NotZero(t, after.Leader)
	require.NotZero(t, after.RaftTerm)
	require.Greater(t, after.RaftIndex, before.RaftIndex)
	require.NotZero(t, after.RaftAppliedIndex)
	require.GreaterOrEqual(t, after.Header.Revision, rev)
	require.Positive(t, after.DbSize)
	require.Positive(t, after.DbSizeInUse)
	require.Regexp(t, `^3\.\d+\.\d+`, after.Version)
	require.Empty(t, after.Errors)
	require.False(t, after.IsLearner)
}

// Goal: the hash of the keys is of what is stored at a revision. Method: equal for equal revisions, other for others, and unmoved by later writes.
func TestHashKV(t *testing.T) {
	k, s := own(t)
	hash := func(revision int64) *pb.HashKVResponse {
		resp, err := k.HashKV(k.ctx, s.Endpoint(), revision)
		require.NoError(t, err)
		return (*pb.HashKVResponse)(resp)
	}
	for i := range 5 {
		k.put("a", fmt.Sprint(i))
	}
	now := hash(0)
	require.EqualValues(t, 6, now.HashRevision)
	require.EqualValues(t, -1, now.CompactRevision)
	require.Equal(t, now.Hash, hash(6).Hash)
	require.NotEqual(t, now.Hash, hash(5).Hash)
	k.put("b", "v")
	require.Equal(t, now.Hash, hash(6).Hash)
	_, err := k.Compact(k.ctx, 4)
	require.NoError(t, err)
	require.EqualValues(t, 4, hash(0).CompactRevision)
	_, err = k.HashKV(k.ctx, s.Endpoint(), 3)
	refusedAs(t, err, codes.OutOfRange, "etcdserver: mvcc: required revision has been compacted")
	_, err = k.HashKV(k.ctx, s.Endpoint(), 100)
	refusedAs(t, err, codes.OutOfRange, "etcdserver: mvcc: required revision is a future revision")
	resp, err := pb.NewMaintenanceClient(k.ActiveConnection()).Hash(k.ctx, &pb.HashRequest{})
	require.NoError(t, err)
	require.NotZero(t, resp.Hash)
}

// Goal: equal histories have equal hashes, so that members can be compared. Method: the same writes on two servers.
func TestHashKVIsOfTheContents(t *testing.T) {
	var hashes []uint32
	for range 2 {
		s := harness.Run(t)
		k := &keyspace{Client: harness.Client(t, s), t: t, ctx: harness.Context(t)}
		k.put("a", "1")
		k.put("b", "2")
		k.delete("a")
		resp, err := k.HashKV(k.ctx, s.Endpoint(), 0)
		require.NoError(t, err)
		hashes = append(hashes, resp.Hash)
	}
	require.Equal(t, hashes[0], hashes[1])
}

// Goal: a snapshot is whole. Method: its last 32 bytes are the SHA-256 of the rest, and what is in it is as large as it says.
func TestSnapshot(t *testing.T) {
	k := open(t)
	k.put("a", "v")
	resp, err := k.SnapshotWithVersion(k.ctx)
	require.NoError(t, err)
	defer resp.Snapshot.Close()
	require.Regexp(t, `^3\.\d+\.\d+`, resp.Version)
	data, err := io.ReadAll(resp.Snapshot)
	require.NoError(t, err)
	require.Greater(t, len(data), sha256.Size)
	sum := sha256.Sum256(data[:len(data)-sha256.Size])
	require.Equal(t, sum[:], data[len(data)-sha256.Size:])
	require.Zero(t, (len(data)-sha256.Size)%512, "whole pages")
}

// Goal: a defragmentation succeeds and there is no alarm. Method: call them.
func TestDefragmentAndAlarms(t *testing.T) {
	k := open(t)
	k.put("a", "v")
	_, err := k.Defragment(k.ctx, shared.Endpoint())
	require.NoError(t, err)
	require.Len(t, k.get("a").Kvs, 1)
	alarms, err := k.AlarmList(k.ctx)
	require.NoError(t, err)
	require.Empty(t, alarms.Alarms)
}

// refusedAs is refused for what the client has turned into an error of its own.
func refusedAs(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, text, err.Error())
	if coded, ok := err.(interface{ Code() codes.Code }); ok {
		require.Equal(t, code, coded.Code())
	} else {
		require.Equal(t, code, status.Code(err))
	}
}
