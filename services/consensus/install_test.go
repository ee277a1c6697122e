package consensus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
	"github.com/quoratedb/quorate/services/consensus/peer"
)

// hangMax is how long a test waits for what comes at once, before it says that it does not come.
const hangMax = 30 * time.Second

// awaitEvent waits until c is closed or has something.
func awaitEvent[T any](t *testing.T, c <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(hangMax):
		t.Fatalf("%s has not happened", what)
	}
	return got
}

// otherThan returns a member that is not the leader.
func otherThan(members []*running, leader *running) *running {
	if members[0] != leader {
		return members[0]
	}
	return members[1]
}

// received copies the state of from to where a transport would put it for to.
func received(t *testing.T, from, to *running, name string) peer.ReceivedSnapshot {
	t.Helper()
	dir, index, term, release, err := from.Receiver().Checkpoint(t.Context())
	require.NoError(t, err)
	defer release()
	arrived := to.cfg.dir().Path(name)
	_, err = vfs.Clone(from.cfg.FS, to.cfg.FS, dir, arrived, vfs.CloneSync)
	require.NoError(t, err)
	return peer.ReceivedSnapshot{Dir: arrived, From: from.MemberID(), Index: index, Term: term, Message: &raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), From: new(from.MemberID()), To: new(to.MemberID()), Term: new(from.replica.Term()),
	}}
}

// copies lists the directories that hold a state, or did, besides the one in use and those that are the transport's.
func (r *running) copies(t *testing.T) []string {
	t.Helper()
	names, err := r.cfg.FS.List(r.cfg.dir().Path(""))
	require.NoError(t, err)
	var found []string
	for _, name := range names {
		if name != datadir.LogName && name != r.gate.Dir() && !strings.HasPrefix(name, "received") {
			found = append(found, name)
		}
	}
	return found
}

// Goal: clients that do not read their streams hold nobody up: their member takes another's state, serves, and stops. Method:
// two streams whose send does not return, of a follower that then gets a state and is stopped.
func TestClientsThatDoNotReadHoldNobodyUp(t *testing.T) {
	net, members := clusterWith(t, 3, func(c *Config) {
		c.DataDir = t.TempDir() // files of Snapshot are on the machine's own disk
		require.NoError(t, os.MkdirAll(filepath.Join(c.DataDir, "member"), 0o700))
	}, nil)
	leader := leaderOf(t, members)
	f := otherThan(members, leader)
	leader.mustPut(t, "k", "old")
	require.Equal(t, "old", f.get(t, "k"))

	release := make(chan struct{})
	var clients sync.WaitGroup
	defer func() { close(release); clients.Wait() }()
	stuck := make(chan struct{}, 2)
	wait := func() error { stuck <- struct{}{}; <-release; return errors.New("the client is gone") }
	clients.Go(func() {
		_ = f.RangeStream(context.Background(), &consensusv1.RangeStreamRequest{Range: &consensusv1.RangeOp{Key: []byte("k")}},
			func(*consensusv1.RangeStreamResponse) error { return wait() })
	})
	clients.Go(func() {
		_ = f.Snapshot(context.Background(), nil, func(*consensusv1.SnapshotResponse) error { return wait() })
	})
	awaitEvent(t, stuck, "the first client's stream")
	awaitEvent(t, stuck, "the second client's stream")

	net.isolate(f.MemberID(), true)
	writeUntilAcknowledged(t, leader, "k", "new")
	installed := make(chan error, 1)
	snapshot := received(t, leader, f, "received")
	go func() { installed <- f.Receiver().InstallSnapshot(t.Context(), snapshot) }()
	require.NoError(t, awaitEvent(t, installed, "the installation"))
	read := make(chan string, 1)
	go func() {
		resp, _ := f.Range(t.Context(), &consensusv1.RangeRequest{Serializable: true, Range: &consensusv1.RangeOp{Key: []byte("k")}})
		read <- string(resp.GetResult().GetKvs()[0].GetValue())
	}()
	require.Equal(t, "new", awaitEvent(t, read, "a read"))
	net.isolate(f.MemberID(), false)
	require.Equal(t, "new", f.get(t, "k"))
	f.stop()
	awaitEvent(t, f.ended, "the end of the member")
	require.NoError(t, f.err)
}

// Goal: whoever uses the state when it is replaced goes on with the old one, and everybody else has the new one at once; the
// last user takes the old one with it, and the metrics are the new one's. Method: a use that is held over an installation.
func TestReplacedStateLivesAsLongAsItsUsers(t *testing.T) {
	registries := map[uint64]*prometheus.Registry{}
	net, members := clusterWith(t, 3, func(c *Config) {
		registries[c.MemberID] = prometheus.NewRegistry()
		c.Registerer = registries[c.MemberID]
	}, nil)
	leader := leaderOf(t, members)
	f := otherThan(members, leader)
	leader.mustPut(t, "k", "old")
	require.Equal(t, "old", f.get(t, "k"))
	net.isolate(f.MemberID(), true)
	writeUntilAcknowledged(t, leader, "k", "new")

	use, ok := f.gate.Enter()
	require.True(t, ok)
	require.NoError(t, f.Receiver().InstallSnapshot(t.Context(), received(t, leader, f, "received")))
	now, _, err := f.store().Range(t.Context(), &consensusv1.RangeOp{Key: []byte("k")})
	require.NoError(t, err)
	require.Equal(t, "new", string(now.GetKvs()[0].GetValue()))
	before, _, err := use.Store.Range(t.Context(), &consensusv1.RangeOp{Key: []byte("k")})
	require.NoError(t, err)
	require.Equal(t, "old", string(before.GetKvs()[0].GetValue()))
	awaitEvent(t, use.Over.Done(), "the end of uses that last")
	require.Equal(t, []string{datadir.StateName}, f.copies(t))
	use.Leave()
	f.installer.retired.Wait()
	require.Empty(t, f.copies(t))

	families, err := registries[f.MemberID()].Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == "etcd_debugging_mvcc_current_revision" {
			require.Equal(t, float64(f.store().Revision()), family.GetMetric()[0].GetGauge().GetValue())
		}
	}
	net.isolate(f.MemberID(), false)
	require.Equal(t, "new", f.get(t, "k"))
	require.NoError(t, f.halt())
	cfg := f.cfg
	cfg.Registerer = nil
	f = launch(t, cfg)
	net.add(cfg.MemberID, f)
	require.Equal(t, "new", f.get(t, "k"))
}

// Goal: a snapshot that arrives while another is being put in place waits for it, though its caller has given that up, and
// both are installed; a crash at any time leaves a member that starts. Method: the applier is held when it is about to take
// the first; the disk is cloned as a crash leaves it then, and after both.
func TestOverlappingSnapshotsAreInstalledInTurn(t *testing.T) {
	net, members, disks := crashableCluster(t, 3)
	leader := leaderOf(t, members)
	f := otherThan(members, leader)
	disk := disks[f.MemberID()-1]
	net.isolate(f.MemberID(), true)
	fill := func(prefix string) {
		for i := range 30 {
			writeUntilAcknowledged(t, leader, fmt.Sprintf("%s%d", prefix, i), "v")
		}
	}
	fill("a")
	first := received(t, leader, f, "received1")
	fill("b")
	second := received(t, leader, f, "received2")

	held, hold := make(chan struct{}, 2), make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	replace := f.install.replace
	f.install.replace = func(index uint64) (*raftpb.ConfState, error) {
		held <- struct{}{}
		<-hold
		return replace(index)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- f.Receiver().InstallSnapshot(ctx, first) }()
	awaitEvent(t, held, "the first installation")
	cancel() // a newer one is offered
	require.ErrorIs(t, awaitEvent(t, done, "the end of the first call"), context.Canceled)
	go func() { done <- f.Receiver().InstallSnapshot(t.Context(), second) }()
	requireStarts(t, f, disk.CrashClone(vfs.CrashCloneCfg{}), first.Index)
	release()
	require.NoError(t, awaitEvent(t, done, "the second installation"))
	require.GreaterOrEqual(t, f.replica.Applied(), second.Index)
	requireStarts(t, f, disk.CrashClone(vfs.CrashCloneCfg{}), second.Index)
	select {
	case <-f.ended:
		t.Fatalf("the member ended: %v", f.err)
	default:
	}
	net.isolate(f.MemberID(), false)
	require.Equal(t, "v", f.get(t, "b29"))
}

// requireStarts opens what a crash left of a member, and finds the state and the log at an index or behind it.
func requireStarts(t *testing.T, m *running, crashed *vfs.MemFS, index uint64) {
	t.Helper()
	cfg := m.cfg
	cfg.FS, cfg.Transport = crashed, newNetwork()
	again, err := New(cfg)
	require.NoError(t, err)
	applied, _ := again.gate.State().Applied()
	last, err := again.data.Log.LastIndex()
	require.NoError(t, err)
	require.GreaterOrEqual(t, applied, index)
	require.GreaterOrEqual(t, last, applied)
	require.NoError(t, again.cfg.dir().RemoveCopies(again.gate.Dir()))
	require.Empty(t, (&running{Member: again}).copies(t))
	require.NoError(t, again.Close())
}

// Goal: a member that is stopped when its log goes on from a new state, and the applier has not taken that yet, stops cleanly
// and starts with it. Method: the applier does not come to it before the stop.
func TestStopBetweenLogAndStateLeavesWhatTheLogNames(t *testing.T) {
	net, members := cluster(t, 3)
	leader := leaderOf(t, members)
	f := otherThan(members, leader)
	net.isolate(f.MemberID(), true)
	writeUntilAcknowledged(t, leader, "k", "new")
	snapshot := received(t, leader, f, "received")
	named := make(chan struct{})
	accept := f.install.accept
	f.install.accept = func(ctx context.Context, metadata *raftpb.SnapshotMetadata) error {
		if err := accept(ctx, metadata); err != nil {
			return err
		}
		close(named)
		<-ctx.Done()
		return replication.ErrNotTaken
	}
	installed := make(chan error, 1)
	go func() { installed <- f.Receiver().InstallSnapshot(t.Context(), snapshot) }()
	awaitEvent(t, named, "the note in the log")
	require.NoError(t, f.halt())
	require.ErrorIs(t, awaitEvent(t, installed, "the end of the installation"), errdefs.ErrStopped)

	cfg := f.cfg
	cfg.Transport = newNetwork()
	again, err := New(cfg)
	require.NoError(t, err)
	applied, _ := again.gate.State().Applied()
	require.GreaterOrEqual(t, applied, snapshot.Index)
	require.NoError(t, again.cfg.dir().RemoveCopies(again.gate.Dir()))
	require.Empty(t, (&running{Member: again}).copies(t))
	require.NoError(t, again.Close())
}

// Goal: of snapshots that raft has no use for nothing is left, and the next one is taken. Method: one of a term that is over,
// one of a state that the member is past, and one of another cluster.
func TestDeclinedSnapshotsLeaveNothing(t *testing.T) {
	net, members := cluster(t, 3)
	leader := leaderOf(t, members)
	f := otherThan(members, leader)
	leader.mustPut(t, "k", "old")
	require.Equal(t, "old", f.get(t, "k"))
	passed := received(t, leader, f, "received1")
	require.NoError(t, f.Receiver().InstallSnapshot(t.Context(), passed))
	require.Empty(t, f.copies(t))

	net.isolate(f.MemberID(), true)
	writeUntilAcknowledged(t, leader, "k", "new")
	stale := received(t, leader, f, "received2")
	stale.Message.Term = new(uint64(1))
	before := f.store()
	require.NoError(t, f.Receiver().InstallSnapshot(t.Context(), stale))
	require.Same(t, before, f.store())
	require.Empty(t, f.copies(t))

	foreign := received(t, leader, f, "received3")
	clusterID := f.installer.cfg.ClusterID
	f.installer.cfg.ClusterID = 0xbad
	require.ErrorIs(t, f.Receiver().InstallSnapshot(t.Context(), foreign), ErrForeignData)
	f.installer.cfg.ClusterID = clusterID
	require.Empty(t, f.copies(t))

	require.NoError(t, f.Receiver().InstallSnapshot(t.Context(), received(t, leader, f, "received4")))
	require.NotSame(t, before, f.store())
	net.isolate(f.MemberID(), false)
	require.Equal(t, "new", f.get(t, "k"))
}

// Goal: a log that goes on from a state is not opened with another one. Method: the directory that the log names is moved
// away, and the older one of another member put there.
func TestInstalledStateIsTheOneThatTheLogNames(t *testing.T) {
	net, members := cluster(t, 3)
	leader := leaderOf(t, members)
	f := otherThan(members, leader)
	older := received(t, leader, f, "older")
	net.isolate(f.MemberID(), true)
	writeUntilAcknowledged(t, leader, "k", "new")
	require.NoError(t, f.Receiver().InstallSnapshot(t.Context(), received(t, leader, f, "received")))
	dir := f.cfg.dir().Path(f.gate.Dir())
	require.NoError(t, f.halt())
	cfg := f.cfg
	cfg.Transport = newNetwork()

	require.NoError(t, cfg.FS.Rename(dir, dir+".away"))
	_, err := New(cfg)
	require.ErrorIs(t, err, ErrForeignData)
	require.ErrorContains(t, err, dir)
	require.NoError(t, cfg.FS.Rename(older.Dir, dir))
	_, err = New(cfg)
	require.ErrorIs(t, err, ErrForeignData)
	require.NoError(t, cfg.FS.RemoveAll(dir))
	require.NoError(t, cfg.FS.Rename(dir+".away", dir))
	again, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

// Goal: where an earlier program was killed between a new state and its log, the end of the log that another term wrote goes,
// however long it is: raft would take it for what is behind the snapshot. Method: what such a crash leaves, with a log that is
// longer than the snapshot's index, of an older term or of the same.
func TestStaleTailOfTheLogGoesWithTheOldState(t *testing.T) {
	for _, c := range []struct {
		name       string
		term, last uint64 // of the state, and where the log must end
	}{{"of another term", 3, 10}, {"of the same term", 2, 20}} {
		t.Run(c.name, func(t *testing.T) {
			fs := vfs.NewMem()
			cfg := testConfig(fs)
			cfg.MemberID = 1
			cfg.Members = []*consensusv1.Member{{Id: 1, Name: "a"}, {Id: 2, Name: "b"}, {Id: 3, Name: "c"}}
			m, err := New(cfg)
			require.NoError(t, err)
			require.NoError(t, m.Close())
			log, err := logstore.Open(logstore.Config{Dir: "data/member/log", FS: fs})
			require.NoError(t, err)
			var entries []*raftpb.Entry
			for i := uint64(2); i <= 20; i++ {
				entries = append(entries, &raftpb.Entry{Index: new(i), Term: new(uint64(2))})
			}
			require.NoError(t, log.Append(entries, &raftpb.HardState{Term: new(uint64(3)), Vote: new(uint64(2)), Commit: new(uint64(1))}, true))
			require.NoError(t, log.SetBlob("installing", []byte{0, 0, 0, 0, 0, 0, 0, 10}))
			require.NoError(t, log.Close())
			state, err := mvcc.Open(mvcc.Config{Dir: "data/member/state", FS: fs})
			require.NoError(t, err)
			b := state.Begin()
			b.SetApplied(10, c.term)
			require.NoError(t, b.Commit())
			require.NoError(t, state.Close())
			require.NoError(t, fs.MkdirAll("data/member/incoming", 0o700))

			m, err = New(cfg)
			require.NoError(t, err)
			term, err := m.data.Log.Term(10)
			require.NoError(t, err)
			require.Equal(t, c.term, term)
			last, err := m.data.Log.LastIndex()
			require.NoError(t, err)
			require.Equal(t, c.last, last)
			require.NoError(t, m.cfg.dir().RemoveCopies(m.gate.Dir()))
			require.Empty(t, (&running{Member: m}).copies(t))
			require.NoError(t, m.Close())
		})
	}
}

// Goal: the revision of a streamed range is the one that its keys are from, however many writes come meanwhile, and whatever
// happens to the state between two chunks. Method: streams of many chunks between writes to all of their keys.
func TestStreamedRangeIsOfTheRevisionThatItTells(t *testing.T) {
	m := start(t, testConfig(vfs.NewMem()))
	value := strings.Repeat("v", rangeChunkBytes/4)
	write := func(ctx context.Context) error {
		var ops []*consensusv1.Op
		for i := range 9 {
			ops = append(ops, &consensusv1.Op{Op: &consensusv1.Op_Put{Put: put(fmt.Sprintf("k%d", i), value).GetPut()}})
		}
		_, err := m.Propose(ctx, &consensusv1.ProposeRequest{Command: &consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: &consensusv1.TxnOp{Success: ops}}}})
		return err
	}
	require.NoError(t, write(t.Context()))
	request := &consensusv1.RangeStreamRequest{Range: &consensusv1.RangeOp{Key: []byte("k"), RangeEnd: []byte("l")}}
	chunks, keys := 0, 0
	var revision int64
	err := m.RangeStream(t.Context(), request, func(r *consensusv1.RangeStreamResponse) error {
		if chunks++; chunks == 1 {
			revision = r.GetRevision()
		}
		require.Equal(t, revision, r.GetRevision())
		for _, kv := range r.GetResult().GetKvs() {
			keys++
			require.Equal(t, revision, kv.GetModRevision())
		}
		return write(t.Context())
	})
	require.NoError(t, err)
	require.Equal(t, 9, keys)
	require.Greater(t, chunks, 1)

	stop := make(chan struct{})
	var writers sync.WaitGroup
	defer writers.Wait()
	defer close(stop)
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = m.Propose(context.Background(), &consensusv1.ProposeRequest{Command: put("one", "v")})
				}
			}
		})
	}
	m.mustPut(t, "one", "v")
	for range 2000 {
		err := m.RangeStream(t.Context(), &consensusv1.RangeStreamRequest{Range: &consensusv1.RangeOp{Key: []byte("one")}}, func(r *consensusv1.RangeStreamResponse) error {
			require.LessOrEqual(t, r.GetResult().GetKvs()[0].GetModRevision(), r.GetRevision())
			return nil
		})
		require.NoError(t, err)
	}
}
