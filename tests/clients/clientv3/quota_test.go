package clientv3

import (
	"crypto/rand"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

// Goal: a quota that was used up comes back whole, without defragmentation and without anybody's hand on the alarm, as often
// as one likes; an empty store takes nearly its quota of values. Method: fill, delete, compact, and fill again.
func TestQuotaComesBack(t *testing.T) {
	const quota, value = 8 << 20, 100_000
	k, s := own(t, "--quota-backend-bytes="+strconv.Itoa(quota))
	for range 3 {
		taken := 0
		for ; ; taken++ {
			if _, err := k.Put(k.ctx, strconv.Itoa(taken), noise(value)); err != nil {
				require.ErrorContains(t, err, "etcdserver: mvcc: database space exceeded")
				break
			}
		}
		require.GreaterOrEqual(t, taken, quota/value*95/100)
		require.Eventually(t, func() bool { return len(k.alarms()) == 1 }, 30*time.Second, 10*time.Millisecond)
		_, err := pb.NewKVClient(k.ActiveConnection()).Put(k.ctx, &pb.PutRequest{Key: []byte("refused")})
		refused(t, err, codes.ResourceExhausted, "etcdserver: mvcc: database space exceeded")

		deleted, err := k.Delete(k.ctx, "", clientv3.WithFromKey())
		require.NoError(t, err)
		_, err = k.Compact(k.ctx, deleted.Header.Revision, clientv3.WithCompactPhysical())
		require.NoError(t, err)
		_, err = k.Defragment(k.ctx, s.Endpoint())
		require.NoError(t, err)
		require.Eventually(t, func() bool { return len(k.alarms()) == 0 }, 30*time.Second, 10*time.Millisecond)
		status, err := k.Status(k.ctx, s.Endpoint())
		require.NoError(t, err)
		require.Less(t, status.DbSizeInUse, int64(value))
	}
}

// alarms returns the alarms that are raised.
func (k *keyspace) alarms() []*pb.AlarmMember {
	k.t.Helper()
	listed, err := k.AlarmList(k.ctx)
	require.NoError(k.t, err)
	return listed.Alarms
}

// noise does not compress.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return string(b)
}
