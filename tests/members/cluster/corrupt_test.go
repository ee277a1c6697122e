package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// damage turns a bit over in the newest value of a key in the data directory of a member that does not run. It goes
// through the storage engine, so that all checksums are right afterwards.
func damage(t *testing.T, dataDir, key string) {
	t.Helper()
	dir := filepath.Join(dataDir, "member", "state")
	// The note of an orderly stop would show that somebody has been here.
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "CLEAN")))
	db, err := pebble.Open(dir, &pebble.Options{
		Comparer: &cockroachkvs.Comparer, FormatMajorVersion: pebble.FormatColumnarBlocks, Logger: silent{},
		KeySchema: cockroachkvs.KeySchema.Name, KeySchemas: sstable.MakeKeySchemas(&cockroachkvs.KeySchema),
	})
	require.NoError(t, err)
	versions := append([]byte("v"+key), 0)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: versions})
	require.NoError(t, err)
	require.True(t, it.First() && bytes.HasPrefix(it.Key(), versions), "the key is not there")
	row, record := bytes.Clone(it.Key()), bytes.Clone(it.Value())
	require.NoError(t, it.Close())
	record[len(record)-1] ^= 1 // the value is at the end
	require.NoError(t, db.Set(row, record, pebble.Sync))
	require.NoError(t, db.Close())
}

// silent drops what the storage engine has to say.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

// awaitAlarm asks for the alarms until one is CORRUPT, writing meanwhile, and returns whom it names.
func awaitAlarm(ctx context.Context, t *testing.T, client *clientv3.Client) uint64 {
	t.Helper()
	for {
		_, err := harness.Put(ctx, client, "meanwhile", "served")
		require.NoError(t, err)
		alarms, err := client.AlarmList(ctx)
		require.NoError(t, err)
		for _, alarm := range alarms.Alarms {
			require.Equal(t, etcdserverpb.AlarmType_CORRUPT, alarm.Alarm)
			return alarm.MemberID
		}
	}
}

func health(t *testing.T, m *harness.Server) string {
	t.Helper()
	answer, err := http.Get(m.URL() + "/health")
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(bytes.TrimSpace(body))
}

// Goal: a member whose files hold something else than was written, which no checksum shows, is found when it starts: an
// alarm names it, it answers nothing from its state, and the others serve as if nothing were; what its log tells the
// operator to do brings the cluster back. Method: a bit is turned over in one of three members' stopped state.
func TestDamagedMemberIsFoundAtStart(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("the damage is done to this program's files")
	}
	members := startCluster(t, 3) // builds the program, if it is the first to
	ctx := harness.Context(t)
	client := harness.Client(t, members[0])
	_, err := harness.Put(ctx, client, "key", "right")
	require.NoError(t, err)
	odd := members[2]
	oddClient := harness.Client(t, odd)
	_, err = oddClient.Get(ctx, "key") // it has the write
	require.NoError(t, err)
	status, err := oddClient.Status(ctx, odd.Endpoint())
	require.NoError(t, err)
	oddID := status.Header.MemberId
	code, err := odd.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code)

	damage(t, odd.DataDir(), "key")
	require.NoError(t, odd.Start(ctx))
	ctx = harness.Context(t)
	require.Equal(t, oddID, awaitAlarm(ctx, t, client))
	_, err = oddClient.Get(ctx, "key", clientv3.WithSerializable())
	require.ErrorIs(t, err, rpctypes.ErrCorrupt)
	_, err = oddClient.Get(ctx, "key")
	require.ErrorIs(t, err, rpctypes.ErrCorrupt)
	_, err = oddClient.Put(ctx, "key", "through the odd one")
	require.ErrorIs(t, err, rpctypes.ErrCorrupt)
	refused := <-oddClient.Watch(ctx, "key")
	require.ErrorIs(t, refused.Err(), rpctypes.ErrCorrupt)
	require.JSONEq(t, `{"health":"false","reason":"ALARM CORRUPT"}`, health(t, odd))
	require.NoError(t, odd.AwaitOutput(ctx, "this member answers no more"))
	for _, m := range members[:2] {
		got, err := harness.Client(t, m).Get(ctx, "key")
		require.NoError(t, err)
		require.Equal(t, "right", string(got.Kvs[0].Value))
		require.JSONEq(t, `{"health":"true","reason":""}`, health(t, m))
	}
	_, err = client.AlarmDisarm(ctx, &clientv3.AlarmMember{})
	require.NoError(t, err)
	require.Equal(t, oddID, awaitAlarm(ctx, t, client), "it is still odd")

	ctx = harness.Context(t)
	// As with etcd, members change only after all have been connected for some seconds.
	for err = rpctypes.ErrUnhealthy; errors.Is(err, rpctypes.ErrUnhealthy); {
		_, err = client.MemberRemove(ctx, oddID)
	}
	require.NoError(t, err)
	odd.Kill()
	alarms, err := client.AlarmList(ctx)
	require.NoError(t, err)
	require.Empty(t, alarms.Alarms)
	fresh, err := members[:2].Join(ctx, client, members[0].Binary(), "fresh", false)
	require.NoError(t, err)
	t.Cleanup(fresh.Kill)
	got, err := harness.Client(t, fresh).Get(ctx, "key", clientv3.WithSerializable())
	require.NoError(t, err)
	require.Equal(t, "right", string(got.Kvs[0].Value))
}
