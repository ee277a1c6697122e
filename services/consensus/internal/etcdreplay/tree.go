package etcdreplay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/etcddir"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

const (
	// keysRoot is where the v2 store has what clients have made. Beside it are the cluster's own matters, and users of v2.
	keysRoot = "/1"
	// indexOffset is by how much a revision is above the index that v2 gives the same change: ours begin with 1.
	indexOffset = 1
	// changesPath is set where etcd changes something of its own in the v2 store, which counts as a change there.
	changesPath = "/0/changes"
	// dueMax is how much of what has expired is looked for at a time.
	dueMax = 1000
)

// Tree is the v2 store of an etcd, in a store of its own: it has keys of its own there. It is for one goroutine, and Close must end it.
type Tree struct {
	ctx     context.Context
	store   *mvcc.Store
	machine *statemachine.Machine
}

// NewTree makes the v2 store that a .snap file has, in the directory of the configuration; sortDir is as for mvcc.Load.
func NewTree(ctx context.Context, cfg mvcc.Config, sortDir string, snap etcddir.Snap) (*Tree, error) {
	content := &mvcc.Content{Revision: int64(snap.V2Index) + indexOffset, Compacted: int64(snap.V2Index) + indexOffset}
	var versions []mvcc.LoadVersion
	var dirs []mvcc.LoadDir
	eachNode(snap.Root, func(n *etcddir.Node) {
		expiration := int64(0)
		if !n.ExpireTime.IsZero() {
			expiration = n.ExpireTime.UnixNano()
		}
		create, changed := int64(n.CreatedIndex)+indexOffset, int64(n.ModifiedIndex)+indexOffset
		if n.Children != nil {
			dirs = append(dirs, mvcc.LoadDir{Path: []byte(n.Path), Dir: mvcc.Dir{Create: create, Mod: changed, Expiration: expiration}})
			return
		}
		versions = append(versions, mvcc.LoadVersion{Row: mvcc.Row{Key: []byte(n.Path), Revision: changed, Record: mvcc.Record{
			Create: create, Version: 1, Value: []byte(n.Value), Expiration: expiration,
		}}})
	})
	slices.SortStableFunc(versions, func(a, b mvcc.LoadVersion) int { return cmp.Compare(a.Revision, b.Revision) })
	for i := range versions[min(1, len(versions)):] {
		if before := versions[i]; versions[i+1].Revision == before.Revision {
			versions[i+1].Sub = before.Sub + 1
		}
	}
	slices.SortFunc(dirs, func(a, b mvcc.LoadDir) int { return bytes.Compare(a.Path, b.Path) })
	content.Dirs = each(dirs)
	content.Versions = func(yield func(*mvcc.LoadVersion, error) bool) {
		for i := range versions {
			if !yield(&versions[i], nil) {
				return
			}
		}
	}
	if _, err := mvcc.Load(ctx, cfg, sortDir, content); err != nil {
		return nil, fmt.Errorf("the v2 store: %w", err)
	}
	store, err := mvcc.Open(cfg)
	if err != nil {
		return nil, fmt.Errorf("the v2 store: %w", err)
	}
	return &Tree{ctx: ctx, store: store, machine: statemachine.New(store)}, nil
}

// eachNode calls fn with all nodes below one.
func eachNode(n *etcddir.Node, fn func(*etcddir.Node)) {
	if n == nil {
		return
	}
	for _, child := range n.Children {
		fn(child)
		eachNode(child, fn)
	}
}

func each[T any](all []T) func(func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// Apply carries out what an entry does to the v2 store.
func (t *Tree) Apply(entry *raftpb.Entry) error {
	if err := t.apply(entry); err != nil {
		return fmt.Errorf("carry out entry %d of the log on the v2 store: %w", entry.GetIndex(), err)
	}
	return nil
}

func (t *Tree) apply(entry *raftpb.Entry) error {
	if entry.GetType() == raftpb.EntryConfChange {
		change := &raftpb.ConfChange{}
		if err := proto.Unmarshal(entry.GetData(), change); err != nil {
			return err
		}
		if change.GetType() == raftpb.ConfChangeRemoveNode { // etcd takes down that it is gone, too
			return errors.Join(t.count(), t.count())
		}
		return t.count()
	}
	v2, err := etcddir.V2Request(entry.GetData())
	if err != nil {
		return err
	}
	if v2 != nil {
		return t.request(v2)
	}
	request := &etcdserverpb.InternalRaftRequest{}
	if err := proto.Unmarshal(entry.GetData(), request); err != nil {
		return err
	}
	if request.GetClusterVersionSet() != nil || request.GetClusterMemberAttrSet() != nil {
		return t.count()
	}
	return nil
}

// count stands for a change of etcd's own.
func (t *Tree) count() error {
	return t.carryOut(&consensusv1.TreeOp{Action: consensusv1.TreeAction_TREE_ACTION_SET, Path: []byte(changesPath)})
}

// request carries out a request.
func (t *Tree) request(r *etcddir.Request) error {
	if r.Method == "SYNC" {
		return t.expire(r.Time)
	}
	op := &consensusv1.TreeOp{
		Path: []byte(path.Clean("/" + r.Path)), Value: []byte(r.Value), Dir: r.Dir, Recursive: r.Recursive,
		PrevValue: []byte(r.PrevValue), PrevIndex: r.PrevIndex, Expiration: r.Expiration, Refresh: r.Refresh != nil && *r.Refresh,
	}
	if op.GetPrevIndex() > 0 {
		op.PrevIndex += indexOffset
	}
	compares := r.PrevIndex > 0 || r.PrevValue != ""
	switch {
	case r.Method == "POST":
		op.Action = consensusv1.TreeAction_TREE_ACTION_CREATE
		op.Path = fmt.Appendf(op.GetPath(), "/%020d", t.store.Revision()+1-indexOffset)
	case r.Method == "DELETE" && compares:
		op.Action = consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE
	case r.Method == "DELETE":
		op.Action = consensusv1.TreeAction_TREE_ACTION_DELETE
	case r.Method != "PUT":
		return nil
	case r.PrevExist != nil && !*r.PrevExist:
		op.Action = consensusv1.TreeAction_TREE_ACTION_CREATE
		op.PrevValue, op.PrevIndex = nil, 0
	case compares:
		op.Action = consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP
	case r.PrevExist != nil:
		op.Action = consensusv1.TreeAction_TREE_ACTION_UPDATE
	default:
		op.Action = consensusv1.TreeAction_TREE_ACTION_SET
	}
	if bytes.Equal(op.GetPath(), []byte(keysRoot)) { // as the root it is nobody's to change
		return nil
	}
	return t.carryOut(op)
}

// expire ends what has expired by a time.
func (t *Tree) expire(now int64) error {
	for {
		due, err := t.machine.Due(now, dueMax)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, op := range due {
			if err := t.carryOut(op); err != nil {
				return err
			}
		}
	}
}

// carryOut makes a change visible at once: the next one's index follows from it.
func (t *Tree) carryOut(op *consensusv1.TreeOp) error {
	batch := t.machine.Begin()
	_, _, err := batch.Apply(&consensusv1.Command{Caller: &consensusv1.Caller{Internal: true}, Command: &consensusv1.Command_Tree{Tree: op}})
	if err != nil && !statemachine.Refuses(err) {
		return errors.Join(err, batch.Close())
	}
	return errors.Join(batch.Commit(), batch.Close())
}

// Refusal is a path of v2 that could not be taken along.
type Refusal struct{ Path, Why string }

// MoveTo makes what clients have made in the v2 store again in a store of v3, each node a revision of its own behind the newest. A path that is
// taken there is left as it is there, and returned.
func (t *Tree) MoveTo(store *mvcc.Store) (moved int64, refused []Refusal, err error) {
	current, err := t.store.Current(t.ctx)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, current.Close()) }()
	m := &mover{machine: statemachine.New(store)}
	defer func() { err = errors.Join(err, m.close()) }()
	low, high := []byte(keysRoot+"/"), []byte(keysRoot+"0")
	// A directory comes with the files below it, but for what it has of its own: that it is empty, or when it ends.
	err = current.ScanDirs(low, high, func(path []byte, dir *mvcc.Dir) (bool, error) {
		m.dirs = append(m.dirs, movedDir{string(path), dir.Expiration})
		return true, nil
	})
	if err != nil {
		return 0, nil, err
	}
	for i, dir := range m.dirs {
		holds := i+1 < len(m.dirs) && strings.HasPrefix(m.dirs[i+1].path, dir.path+"/")
		err := current.Scan(mvcc.Between([]byte(dir.path+"/"), []byte(dir.path+"0")), func(*mvcc.Row) (bool, error) {
			holds = true
			return false, nil
		})
		if err == nil && (!holds || dir.expiration != 0) {
			err = m.make(dir.path, nil, true, dir.expiration)
		}
		if err != nil {
			return 0, nil, err
		}
	}
	err = current.Scan(mvcc.Between(low, high), func(r *mvcc.Row) (bool, error) {
		return true, m.make(string(r.Key), bytes.Clone(r.Value), false, r.Expiration)
	})
	if err == nil {
		err = m.commit()
	}
	return m.moved, m.refused, err
}

// Close ends the tree. Its store is of no use any more.
func (t *Tree) Close() error { return t.store.Close() }

// movedDir is a directory that is moved.
type movedDir struct {
	path       string
	expiration int64
}

// mover is one call of MoveTo.
type mover struct {
	machine *statemachine.Machine
	batch   *statemachine.Batch
	dirs    []movedDir
	moved   int64
	refused []Refusal
}

// make makes a node.
func (m *mover) make(node string, value []byte, dir bool, expiration int64) error {
	if m.batch == nil {
		m.batch = m.machine.Begin()
	}
	to := strings.TrimPrefix(node, keysRoot)
	result, _, err := m.batch.Apply(&consensusv1.Command{Caller: &consensusv1.Caller{Internal: true}, Command: &consensusv1.Command_Tree{Tree: &consensusv1.TreeOp{
		Action: consensusv1.TreeAction_TREE_ACTION_CREATE, Path: []byte(to), Value: value, Dir: dir, Expiration: expiration,
	}}})
	failure := result.GetTree().GetFailure()
	switch {
	case err != nil && !statemachine.Refuses(err):
		return err
	case err != nil:
		m.refused = append(m.refused, Refusal{to, err.Error()})
	case failure != nil:
		m.refused = append(m.refused, Refusal{to, because(failure)})
	default:
		m.moved++
	}
	if m.batch.Full() {
		return m.commit()
	}
	return nil
}

// because says why a node is not made.
func because(f *consensusv1.TreeFailure) string {
	switch f.GetCode() {
	case consensusv1.TreeFailure_CODE_EXISTS:
		return "v3 has it too"
	case consensusv1.TreeFailure_CODE_NOT_DIRECTORY:
		return fmt.Sprintf("v3 has a key %s, which is a directory of v2", f.GetCause())
	}
	return fmt.Sprintf("it is no path that can be a key (%s)", f.GetCode())
}

func (m *mover) commit() error {
	if m.batch == nil {
		return nil
	}
	batch := m.batch
	m.batch = nil
	return errors.Join(batch.Commit(), batch.Close())
}

func (m *mover) close() error {
	if m.batch == nil {
		return nil
	}
	return m.batch.Close()
}
