package clientv3

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Goal: a compaction takes the past and nothing else. Method: reads at, below and above the compacted revision, plain and physical.
func TestCompact(t *testing.T) {
	for name, opts := range map[string][]clientv3.CompactOption{"plain": nil, "physical": {clientv3.WithCompactPhysical()}} {
		t.Run(name, func(t *testing.T) {
			k, _ := own(t)
			k.put("deleted", "v")
			for i := range 5 {
				k.put("a", fmt.Sprint(i))
			}
			k.put("untouched", "v")
			at := k.delete("deleted")
			last := k.put("a", "last")
			resp, err := k.Compact(k.ctx, at, opts...)
			require.NoError(t, err)
			require.Equal(t, last, resp.Header.Revision)

			_, err = k.Get(k.ctx, "a", clientv3.WithRev(at-1))
			require.Equal(t, rpctypes.ErrCompacted, err)
			old := k.get("", clientv3.WithPrefix(), clientv3.WithRev(at))
			require.Equal(t, []string{"a", "untouched"}, k.names(old.Kvs))
			require.Equal(t, "4", string(old.Kvs[0].Value))
			require.EqualValues(t, 5, old.Kvs[0].Version)
			require.EqualValues(t, 2, old.Count)
			now := k.get("", clientv3.WithPrefix())
			require.Equal(t, "last", string(now.Kvs[0].Value))
			require.EqualValues(t, 3, now.Kvs[0].CreateRevision)
			require.Equal(t, "v", string(now.Kvs[1].Value))

			_, err = k.Compact(k.ctx, at)
			require.Equal(t, rpctypes.ErrCompacted, err)
			_, err = k.Compact(k.ctx, at-1)
			require.Equal(t, rpctypes.ErrCompacted, err)
			_, err = k.Compact(k.ctx, last+1)
			require.Equal(t, rpctypes.ErrFutureRev, err)
			_, err = k.Compact(k.ctx, last, clientv3.WithCompactPhysical())
			require.NoError(t, err)
			require.Equal(t, "last", string(k.get("a", clientv3.WithRev(last)).Kvs[0].Value))
		})
	}
}

// Goal: what compaction took stays taken, and what it left stays there, over a restart. Method: compact, kill, look.
func TestCompactSurvivesRestart(t *testing.T) {
	k, s := own(t)
	for i := range 10 {
		k.put("a", fmt.Sprint(i))
	}
	_, err := k.Compact(k.ctx, 8, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	s.Kill()
	require.NoError(t, s.Start(k.ctx))
	_, err = k.Get(k.ctx, "a", clientv3.WithRev(7))
	require.Equal(t, rpctypes.ErrCompacted, err)
	require.Equal(t, "6", string(k.get("a", clientv3.WithRev(8)).Kvs[0].Value))
	require.Equal(t, "9", string(k.get("a").Kvs[0].Value))
	require.EqualValues(t, 10, k.get("a").Kvs[0].Version)
}

// Goal: --auto-compaction-retention takes old history without being asked, and nothing else. Method: a retention of a second,
// and reads at an old revision until they are refused; then the newest one is read.
func TestAutoCompaction(t *testing.T) {
	k, _ := own(t, "--auto-compaction-retention=1s")
	old := k.put("a", "old")
	newest := k.put("a", "new")
	for {
		_, err := k.Get(k.ctx, "a", clientv3.WithRev(old))
		if err != nil {
			require.Equal(t, rpctypes.ErrCompacted, err)
			break
		}
	}
	kept := k.get("a", clientv3.WithRev(newest))
	require.Len(t, kept.Kvs, 1)
	require.Equal(t, "new", string(kept.Kvs[0].Value))
	require.EqualValues(t, 2, kept.Kvs[0].Version)
}
