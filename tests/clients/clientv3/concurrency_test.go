package clientv3

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: a mutex has one holder at a time. Method: eight sessions take turns and count who is inside; TryLock is refused while it is held.
func TestMutex(t *testing.T) {
	k := open(t)
	var inside, turns atomic.Int64
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			session, err := concurrency.NewSession(k.Client, concurrency.WithTTL(20))
			if err != nil {
				return err
			}
			defer session.Close()
			mutex := concurrency.NewMutex(session, k.key("lock"))
			for range 5 {
				if err := mutex.Lock(k.ctx); err != nil {
					return err
				}
				if inside.Add(1) != 1 {
					t.Error("two hold the lock")
				}
				turns.Add(1)
				inside.Add(-1)
				if err := mutex.Unlock(k.ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.EqualValues(t, 40, turns.Load())

	one, err := concurrency.NewSession(k.Client)
	require.NoError(t, err)
	two, err := concurrency.NewSession(k.Client)
	require.NoError(t, err)
	held := concurrency.NewMutex(one, k.key("lock"))
	require.NoError(t, held.TryLock(k.ctx))
	require.Equal(t, concurrency.ErrLocked, concurrency.NewMutex(two, k.key("lock")).TryLock(k.ctx))
	// The end of a session frees its locks.
	require.NoError(t, one.Close())
	require.NoError(t, concurrency.NewMutex(two, k.key("lock")).Lock(k.ctx))
	require.NoError(t, two.Close())
}

// Goal: an election has one leader at a time, whom all observe. Method: three candidates lead in turn.
func TestElection(t *testing.T) {
	k := open(t)
	var candidates []*concurrency.Election
	for range 3 {
		session, err := concurrency.NewSession(harness.Client(t, shared), concurrency.WithTTL(20))
		require.NoError(t, err)
		candidates = append(candidates, concurrency.NewElection(session, k.key("election")))
	}
	_, err := candidates[0].Leader(k.ctx)
	require.Equal(t, concurrency.ErrElectionNoLeader, err)
	require.NoError(t, candidates[0].Campaign(k.ctx, "0"))
	ctx, cancel := context.WithCancel(k.ctx)
	defer cancel()
	observed := candidates[0].Observe(ctx)
	require.Equal(t, "0", string((<-observed).Kvs[0].Value))
	for i := 1; i < 3; i++ {
		elected := make(chan error, 1)
		go func() { elected <- candidates[i].Campaign(k.ctx, strconv.Itoa(i)) }()
		require.NoError(t, candidates[i-1].Proclaim(k.ctx, "last words"))
		require.Equal(t, "last words", string((<-observed).Kvs[0].Value))
		require.NoError(t, candidates[i-1].Resign(k.ctx))
		require.NoError(t, <-elected)
		require.Equal(t, strconv.Itoa(i), string((<-observed).Kvs[0].Value))
		leader, err := candidates[0].Leader(k.ctx)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(i), string(leader.Kvs[0].Value))
	}
}

// Goal: software transactions at each isolation keep what must be kept. Method: transfers between accounts from many clients; the sum stays.
func TestSTM(t *testing.T) {
	for name, isolation := range map[string]concurrency.Isolation{
		"serializable snapshot": concurrency.SerializableSnapshot,
		"serializable":          concurrency.Serializable,
		"repeatable reads":      concurrency.RepeatableReads,
	} {
		t.Run(name, func(t *testing.T) {
			k := open(t)
			account := func(i int) string { return k.key("account/" + strconv.Itoa(i)) }
			for i := range 5 {
				k.put("account/"+strconv.Itoa(i), "100")
			}
			var group errgroup.Group
			for worker := range 4 {
				group.Go(func() error {
					for i := range 15 {
						_, err := concurrency.NewSTM(k.Client, func(stm concurrency.STM) error {
							from, to := account((worker+i)%5), account((worker+2*i+1)%5)
							if from == to {
								return nil
							}
							a, _ := strconv.Atoi(stm.Get(from))
							b, _ := strconv.Atoi(stm.Get(to))
							stm.Put(from, strconv.Itoa(a-7))
							stm.Put(to, strconv.Itoa(b+7))
							return nil
						}, concurrency.WithIsolation(isolation), concurrency.WithAbortContext(k.ctx))
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
			require.NoError(t, group.Wait())
			sum := 0
			for _, kv := range k.get("account/", clientv3.WithPrefix()).Kvs {
				value, err := strconv.Atoi(string(kv.Value))
				require.NoError(t, err)
				sum += value
			}
			require.Equal(t, 500, sum)
		})
	}
}
