package consensus

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

func quotaSet(prefix string, limits *consensusv1.QuotaLimits) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Quota{Quota: &consensusv1.QuotaOp{
		Op: &consensusv1.QuotaOp_Set{Set: &consensusv1.QuotaSetOp{Prefix: []byte(prefix), Limits: limits}},
	}}}
}

// quotas are those of a member, once one is counted.
func (r *running) quotas(t *testing.T, counted string) map[string]*consensusv1.QuotaStatus {
	t.Helper()
	resp, err := r.Quotas.ReadQuotas(t.Context(), &consensusv1.ReadQuotasRequest{AwaitCounted: true, Prefix: []byte(counted)})
	require.NoError(t, err)
	found := make(map[string]*consensusv1.QuotaStatus)
	for _, q := range resp.GetQuotas() {
		found[string(q.GetQuota().GetPrefix())] = q
	}
	return found
}

// use is of a prefix that is counted.
func (r *running) use(t *testing.T, prefix string) []int64 {
	t.Helper()
	q := r.quotas(t, prefix)[prefix]
	require.NotNil(t, q)
	require.False(t, q.GetQuota().GetCounting())
	return []int64{q.GetUse().GetKeys(), q.GetUse().GetBytes()}
}

// Goal: a quota of a prefix that holds keys counts them, refuses what would lead beyond with prefix, limit and use in a text that crosses
// to other processes, lets deletions pass, and is the same after a crash. Method: one member, which starts again on what its file system
// has kept.
func TestQuotaSurvivesACrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	cfg := testConfig(fs)
	m := start(t, cfg)
	for i := range 3 {
		m.mustPut(t, fmt.Sprintf("/a/%d", i), "12345")
	}
	require.NoError(t, m.as(t.Context(), nil, quotaSet("/a/", &consensusv1.QuotaLimits{HardKeys: 4})))
	require.NoError(t, m.as(t.Context(), nil, quotaSet("/", &consensusv1.QuotaLimits{HardBytes: 50})))
	require.Equal(t, []int64{3, 27}, m.use(t, "/a/"))
	require.Equal(t, []int64{3, 27}, m.use(t, "/"))
	m.mustPut(t, "/a/3", "12345")

	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, m.halt())
	cfg.FS = crashed
	m = start(t, cfg)
	require.Equal(t, []int64{4, 36}, m.use(t, "/a/"))
	err := m.as(t.Context(), nil, put("/a/4", ""))
	require.ErrorIs(t, err, errdefs.ErrQuotaExceeded)
	across := interceptor.Restore(interceptor.Describe(err))
	require.ErrorIs(t, across, errdefs.ErrQuotaExceeded)
	require.EqualError(t, across, `prefix quota exceeded: prefix "/a/" has 4 of 4 keys in use, this would be 1 more`)
	require.ErrorContains(t, m.as(t.Context(), nil, put("/b", "12345678901234567890")), `prefix "/" has 36 of 50 bytes in use, this would be 22 more`)
	m.mustPut(t, "/a/3", "54321")

	require.NoError(t, m.as(t.Context(), nil, quotaSet("/a/", &consensusv1.QuotaLimits{HardKeys: 2})))
	require.True(t, m.quotas(t, "/a/")["/a/"].GetHardExceeded())
	require.NoError(t, m.as(t.Context(), nil, &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{
		DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("/a/1"), RangeEnd: []byte("/a/9")},
	}}))
	require.Equal(t, []int64{1, 9}, m.use(t, "/a/"))
	m.mustPut(t, "/a/4", "")
}

// Goal: a leader that is lost while it counts is no loss: the next one counts again, what was written meanwhile is counted once, and
// nothing was refused until then; a member that gets the state of another has its quotas. Method: three members, whose counts are held up;
// the leader is cut off while it counts, comes back, and a follower that missed all of it has the new leader's state installed.
func TestQuotaIsCountedByTheNextLeader(t *testing.T) {
	net, members := cluster(t, 3)
	counts := make(chan uint64, 100)
	release := make(chan struct{})
	for _, m := range members {
		id := m.MemberID()
		m.quotaKeeper.pace = func(int64) func(context.Context, int) error {
			return func(ctx context.Context, _ int) error {
				counts <- id
				select {
				case <-release:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
	}
	members[0].mustPut(t, "/a/0", "12345")
	leader := leaderOf(t, members)
	f := otherThan(members, leader)
	behind := members[0]
	for _, m := range members {
		if m != leader && m != f {
			behind = m
		}
	}
	require.NoError(t, f.as(t.Context(), nil, quotaSet("/a/", &consensusv1.QuotaLimits{HardKeys: 2})))
	require.Equal(t, leader.MemberID(), awaitEvent(t, counts, "a count"))
	net.isolate(leader.MemberID(), true)
	writeUntilAcknowledged(t, f, "/a/1", "12345")
	writeUntilAcknowledged(t, f, "/a/2", "12345") // counting refuses nothing
	next := leaderOf(t, []*running{f, behind})
	require.Equal(t, next.MemberID(), awaitEvent(t, counts, "another count"))
	net.isolate(leader.MemberID(), false)
	other := f
	if next == f {
		other = behind
	}
	net.isolate(other.MemberID(), true)
	close(release)
	require.Equal(t, []int64{3, 27}, next.use(t, "/a/"))
	require.Equal(t, []int64{3, 27}, leader.use(t, "/a/"), "also where a count was under way")
	require.ErrorIs(t, next.as(t.Context(), nil, put("/a/3", "")), errdefs.ErrQuotaExceeded)

	require.NoError(t, other.Receiver().InstallSnapshot(t.Context(), received(t, next, other, "received")))
	net.isolate(other.MemberID(), false)
	require.Equal(t, []int64{3, 27}, other.use(t, "/a/"))
	require.ErrorIs(t, other.as(t.Context(), nil, put("/a/3", "")), errdefs.ErrQuotaExceeded)
}

// Goal: only root may set quotas and see them, and nobody may say what one has in use. Method: a member with authentication, and what ann
// and root are answered.
func TestQuotasAreRoots(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	quick(&cfg)
	m := start(t, cfg)
	lock(t, m)
	set := quotaSet("a", &consensusv1.QuotaLimits{HardKeys: 2})
	require.ErrorIs(t, m.as(t.Context(), ann, set), errdefs.ErrPermissionDenied)
	require.ErrorIs(t, m.as(t.Context(), nil, set), errdefs.ErrUserEmpty)
	require.NoError(t, m.as(t.Context(), root, set))
	require.ErrorIs(t, m.as(t.Context(), root, &consensusv1.Command{Command: &consensusv1.Command_Quota{Quota: &consensusv1.QuotaOp{
		Op: &consensusv1.QuotaOp_Sum{Sum: &consensusv1.QuotaSumOp{Prefix: []byte("a"), Use: &consensusv1.QuotaUse{}}},
	}}}), errdefs.ErrPermissionDenied)
	_, err := m.Quotas.ReadQuotas(t.Context(), &consensusv1.ReadQuotasRequest{Caller: ann})
	require.ErrorIs(t, err, errdefs.ErrPermissionDenied)
	_, err = m.Quotas.ReadQuotas(t.Context(), &consensusv1.ReadQuotasRequest{Caller: root})
	require.NoError(t, err)
}

// Goal: metrics can be read whatever prefixes have quotas; one that is no UTF-8 and another one that is its text had the same label, and nobody could read any
// metric. Method: all metrics of a member with both.
func TestQuotasOfAnyPrefixAreMeasured(t *testing.T) {
	metrics := prometheus.NewRegistry()
	cfg := testConfig(vfs.NewMem())
	cfg.Registerer = metrics
	m := start(t, cfg)
	for _, prefix := range []string{"\xff", `"\xff"`, `"`, ""} {
		require.NoError(t, m.as(t.Context(), nil, quotaSet(prefix, &consensusv1.QuotaLimits{HardKeys: 2})))
	}
	_, err := metrics.Gather()
	require.NoError(t, err)
}
