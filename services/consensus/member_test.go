package consensus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

func testConfig(fs vfs.FS) Config {
	return Config{
		DataDir:           "data",
		Name:              "alone",
		ClientURLs:        []string{"http://127.0.0.1:2379"},
		ClusterID:         0xc1,
		MemberID:          0xa1,
		Members:           []*consensusv1.Member{{Id: 0xa1, Name: "alone", PeerUrls: []string{"http://127.0.0.1:2380"}}},
		HeartbeatInterval: 10 * time.Millisecond,
		ElectionTicks:     10,
		FS:                fs,
		MemTableBytes:     1 << 20,
	}
}

// running is a member with its Run, stopped at the end of the test if not before.
type running struct {
	*Member
	stop  context.CancelFunc
	ended chan struct{}
	err   error // what Run returned, once ended is closed
}

// store is the state now.
func (r *running) store() *mvcc.Store { return r.gate.State() }

func start(t testing.TB, cfg Config) *running {
	t.Helper()
	r := launch(t, cfg)
	r.awaitReady(t)
	return r
}

// launch starts a member and waits for nothing.
func launch(t testing.TB, cfg Config) *running {
	t.Helper()
	m, err := New(cfg)
	require.NoError(t, err)
	return run(t, m)
}

func run(t testing.TB, m *Member) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Member: m, stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = m.Run(ctx)
	}()
	t.Cleanup(func() { _ = r.halt() })
	return r
}

func (r *running) awaitReady(t testing.TB) {
	t.Helper()
	select {
	case <-r.Ready():
	case <-r.ended:
		t.Fatalf("the member ended before it was ready: %v", r.err)
	}
}

// halt stops the member and returns what Run returned.
func (r *running) halt() error {
	r.stop()
	<-r.ended
	return r.err
}

func put(key, value string) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), Value: []byte(value)}}}
}

// propose is Propose, again where leadership moved meanwhile: among several members on a busy machine it does so by itself.
func (r *running) propose(ctx context.Context, request *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	for {
		resp, err := r.Propose(ctx, request)
		if !errors.Is(err, errdefs.ErrLeaderChanged) {
			return resp, err
		}
	}
}

func (r *running) mustPut(t *testing.T, key, value string) int64 {
	t.Helper()
	resp, err := r.propose(t.Context(), &consensusv1.ProposeRequest{Command: put(key, value)})
	require.NoError(t, err)
	return resp.GetResult().GetRevision()
}

func (r *running) get(t *testing.T, key string) string {
	t.Helper()
	resp, err := r.Range(t.Context(), &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte(key)}})
	require.NoError(t, err)
	if len(resp.GetResult().GetKvs()) == 0 {
		return ""
	}
	return string(resp.GetResult().GetKvs()[0].GetValue())
}

// A write is read back at once, is in the feed, and is there after a restart: one member, one put after another.
func TestMemberKeepsWhatItAcknowledged(t *testing.T) {
	fs := vfs.NewMem()
	m := start(t, testConfig(fs))
	for i := range 20 {
		revision := m.mustPut(t, fmt.Sprintf("key%d", i), fmt.Sprintf("value%d", i))
		require.Equal(t, int64(i+2), revision)
		require.Equal(t, fmt.Sprintf("value%d", i), m.get(t, fmt.Sprintf("key%d", i)))
	}
	require.NoError(t, m.halt())

	m = start(t, testConfig(fs))
	for i := range 20 {
		require.Equal(t, fmt.Sprintf("value%d", i), m.get(t, fmt.Sprintf("key%d", i)))
	}
	members, err := m.Members(t.Context(), &consensusv1.MembersRequest{})
	require.NoError(t, err)
	require.Len(t, members.GetMembers(), 1)
	require.Equal(t, []string{"http://127.0.0.1:2379"}, members.GetMembers()[0].GetClientUrls())
	require.NoError(t, m.halt())
}

// Every acknowledged write survives a crash that drops all that was not synced: writers run against Pebble's crashable
// filesystem, which is cloned as a crash would leave it while they write, again and again.
func TestMemberLosesNoAcknowledgedWriteInACrash(t *testing.T) {
	const rounds, writers = 12, 8
	fs := vfs.NewCrashableMem()
	acknowledged := make([]int, writers) // the newest value of each writer's key
	for round := range rounds {
		m := start(t, testConfig(fs))
		for w, want := range acknowledged {
			if want > 0 {
				// What came after the snapshot may be there too. The writer goes on from it: its values only rise.
				acknowledged[w] = atoi(t, m.get(t, fmt.Sprintf("writer%d", w)))
				require.GreaterOrEqual(t, acknowledged[w], want, "round %d", round)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan [2]int, writers)
		progress := make(chan struct{}, 1)
		for w := range writers {
			go func() {
				newest := acknowledged[w]
				for {
					_, err := m.Propose(ctx, &consensusv1.ProposeRequest{Command: put(fmt.Sprintf("writer%d", w), fmt.Sprint(newest+1))})
					if err != nil {
						done <- [2]int{w, newest}
						return
					}
					newest++
					if newest%50 == 0 {
						select {
						case progress <- struct{}{}:
						default:
						}
					}
				}
			}()
		}
		<-progress
		// What is acknowledged before the clone must be in it; what the writers add while it is made may be.
		snapshot := make([]int, writers)
		for w := range writers {
			if v := m.get(t, fmt.Sprintf("writer%d", w)); v != "" {
				snapshot[w] = atoi(t, v)
			}
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{})
		cancel()
		for range writers {
			<-done
		}
		require.NoError(t, m.halt())
		acknowledged, fs = snapshot, crashed
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	var n int
	_, err := fmt.Sscan(s, &n)
	require.NoError(t, err)
	return n
}

// Tail delivers every revision once and in order, from any start, while writers write: readers start at different
// revisions, some before and some after the writes.
func TestTailIsGapless(t *testing.T) {
	const writes = 300
	m := start(t, testConfig(vfs.NewMem()))
	errDone := fmt.Errorf("seen enough")
	read := func(from int64) <-chan error {
		result := make(chan error, 1)
		go func() {
			next := from
			err := m.Tail(t.Context(), &consensusv1.TailRequest{FromRevision: from}, func(resp *consensusv1.TailResponse) error {
				for _, c := range resp.GetCommits() {
					if c.GetRevision() != next {
						return fmt.Errorf("got revision %d instead of %d", c.GetRevision(), next)
					}
					next++
				}
				if next > writes+1 {
					return errDone
				}
				return nil
			})
			result <- err
		}()
		return result
	}
	early := read(2)
	for i := range writes {
		m.mustPut(t, fmt.Sprintf("key%d", i%7), "value")
	}
	require.ErrorIs(t, <-early, errDone)
	require.ErrorIs(t, <-read(2), errDone)
	require.ErrorIs(t, <-read(writes/2), errDone)
	require.NoError(t, m.halt())
	err := m.Tail(t.Context(), &consensusv1.TailRequest{FromRevision: writes + 2}, func(*consensusv1.TailResponse) error { return nil })
	require.ErrorIs(t, err, errdefs.ErrStopped)
}

// Calls on a stopped member are refused and do not touch its closed stores.
func TestStoppedMemberRefuses(t *testing.T) {
	m := start(t, testConfig(vfs.NewMem()))
	m.mustPut(t, "key", "value")
	require.NoError(t, m.halt())
	_, err := m.Propose(t.Context(), &consensusv1.ProposeRequest{Command: put("key", "value")})
	require.ErrorIs(t, err, errdefs.ErrStopped)
	_, err = m.Range(t.Context(), &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte("key")}, Serializable: true})
	require.ErrorIs(t, err, errdefs.ErrStopped)
	_, err = m.Status(t.Context(), &consensusv1.StatusRequest{})
	require.ErrorIs(t, err, errdefs.ErrStopped)
}

// Parts of different data directories are refused together; nothing is changed.
func TestForeignDataIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	m := start(t, testConfig(fs))
	m.mustPut(t, "key", "value")
	require.NoError(t, m.halt())

	other := testConfig(fs)
	other.DataDir, other.ClusterID, other.MemberID = "other", 0xc2, 0xa2
	other.Members = []*consensusv1.Member{{Id: 0xa2}}
	o := start(t, other)
	require.NoError(t, o.halt())
	require.NoError(t, fs.Rename("other/member/state", "other/member/state.old"))
	require.NoError(t, fs.Rename("data/member/state", "other/member/state"))
	_, err := New(other)
	require.ErrorIs(t, err, ErrForeignData)
	require.NoError(t, fs.Rename("other/member/state", "data/member/state"))

	require.NoError(t, fs.Rename("data/member/log", "data/member/log.old"))
	_, err = New(testConfig(fs))
	require.ErrorIs(t, err, ErrForeignData)
	require.NoError(t, fs.RemoveAll("data/member/log"))
	require.NoError(t, fs.Rename("data/member/log.old", "data/member/log"))
	m = start(t, testConfig(fs))
	require.Equal(t, "value", m.get(t, "key"))
	require.NoError(t, m.halt())
}
