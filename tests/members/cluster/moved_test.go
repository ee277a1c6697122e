package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// movedWait bounds how long it takes members to find each other and a leader.
const movedWait = 60 * time.Second

// Goal: two of three members that come back under other peer addresses serve, and the list can be corrected (there was no
// quorum until the old addresses came back). Method: kill two, start them elsewhere, write and update the list; the member
// that stayed knows them by their data, they know where it is.
func TestMembersThatMovedServe(t *testing.T) {
	binary, err := harness.Binary()
	require.NoError(t, err)
	members := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir()}, 3)
	t.Cleanup(members.Kill)
	require.NoError(t, members.Start(t.Context()))
	client := harness.Client(t, members[0])
	_, err = client.Put(harness.Context(t), "key", "before")
	require.NoError(t, err)
	moved := map[string]string{}
	for _, member := range members[1:] {
		member.Kill()
	}
	for i, member := range members[1:] {
		url := fmt.Sprintf("http://127.0.0.1:%d", harness.FreePort())
		moved[fmt.Sprintf("m%d", i+2)] = url
		member.SetArgs("--listen-peer-urls="+url, "--initial-advertise-peer-urls="+url)
		require.NoError(t, member.Launch())
	}
	require.Eventually(t, func() bool {
		_, err := client.Put(harness.Context(t), "key", "after")
		return err == nil
	}, movedWait, 100*time.Millisecond)
	list, err := client.MemberList(harness.Context(t))
	require.NoError(t, err)
	for _, member := range list.Members {
		if url := moved[member.Name]; url != "" {
			_, err := client.MemberUpdate(harness.Context(t), member.ID, []string{url})
			require.NoError(t, err)
		}
	}
	for _, member := range members[1:] {
		require.NoError(t, member.AwaitReady(t.Context()))
		answer, err := harness.Client(t, member).Get(harness.Context(t), "key")
		require.NoError(t, err)
		require.Equal(t, "after", string(answer.Kvs[0].Value))
	}
}
