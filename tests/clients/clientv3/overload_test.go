package clientv3

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// answersBytes is the room that answers to reads have in a process without a limit.
	answersBytes = 64 << 20
	// waitsFor is for how long who wants room waits at least, before one that does not read is dropped or a read has taken too long.
	waitsFor = 5 * time.Second
)

// Goal: where reads want more memory than they have, lists wait, and neither writes nor leases nor reads of a key. Method: clients that do not read
// fill the room; a list waits for as long as they may, everything else is answered meanwhile.
func TestListsWaitAndWritesAndLeasesDoNot(t *testing.T) {
	k, server := own(t)
	k.ctx = unhurried(t)
	const keys, clients = 20, 8
	for i := range keys {
		_, err := k.Put(k.ctx, fmt.Sprintf("large/%02d", i), strings.Repeat("v", 1<<20))
		require.NoError(t, err)
	}
	lease, err := k.Grant(k.ctx, 60)
	require.NoError(t, err)
	begin := time.Now()
	for range clients {
		askAndNeverRead(t, k, server.Endpoint())
	}
	require.Eventually(t, func() bool { return harness.Metric(t, server, "quorate_api_answers_bytes") > answersBytes }, time.Minute, 10*time.Millisecond)
	listing, stop := context.WithCancel(k.ctx)
	listed := make(chan error, 1)
	go func() {
		_, err := k.Get(listing, "large/", clientv3.WithPrefix())
		listed <- err
	}()
	for range 10 {
		_, err := k.Put(k.ctx, "small", "v", clientv3.WithLease(lease.ID))
		require.NoError(t, err)
		_, err = k.KeepAliveOnce(k.ctx, lease.ID)
		require.NoError(t, err)
		_, err = k.Get(k.ctx, "small")
		require.NoError(t, err)
	}
	if waiting := len(listed) == 0; time.Since(begin) < waitsFor { // else it may have had its turn, on a machine that has more to do
		require.True(t, waiting, "there was no room for it")
	}
	stop()
	<-listed
}
