package statemachine

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/prefixquota"
	"github.com/quoratedb/quorate/services/consensus/internal/tree"
)

// changeTree carries out a change of the tree. That it is declined is a result, not an error.
func changeTree(b *Batch, op *consensusv1.TreeOp, caller *consensusv1.Caller) (*consensusv1.Result, error) {
	switch op.GetAction() {
	case consensusv1.TreeAction_TREE_ACTION_EXPIRE:
		// Whatever comes of it, it must not be found due again.
		b.rows.DropExpiry(op.GetExpiration(), op.GetDir(), op.GetPath())
	case consensusv1.TreeAction_TREE_ACTION_DELETE, consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE:
	default:
		if raised(b, consensusv1.Alarm_TYPE_NOSPACE) {
			return nil, errdefs.ErrNoSpace
		}
	}
	res, done, err := tree.Apply(treeRows{b.rows, b.quotas}, op)
	if err == nil && done != nil {
		err = b.rows.SetTreeChange(done)
	}
	if err != nil {
		return nil, err
	}
	b.tree.count(op, res)
	if err := conceal(b, op, res, caller); err != nil {
		return nil, err
	}
	return &consensusv1.Result{Result: &consensusv1.Result_Tree{Tree: res}}, nil
}

// conceal leaves out of a result what was in the file before, if the caller may not read it.
func conceal(b *Batch, op *consensusv1.TreeOp, res *consensusv1.TreeResult, caller *consensusv1.Caller) error {
	if res.GetPrevNode() == nil && !op.GetRefresh() || !b.auth.Enabled() {
		return nil
	}
	err := b.auth.Check(caller, auth.OfFile(op.GetPath()), nil)
	if err == nil || !errors.Is(err, errdefs.ErrPermissionDenied) {
		return err
	}
	res.Concealed = true
	if res.PrevNode != nil {
		res.PrevNode.Value = nil
	}
	if op.GetRefresh() && res.Node != nil {
		res.Node.Value = nil
	}
	return nil
}

// treeRows are the rows of a batch as the tree sees them.
type treeRows struct {
	rows   *mvcc.Batch
	quotas *prefixquota.Ledger
}

func (t treeRows) Next() int64 { return t.rows.Next() }

func (t treeRows) File(path []byte) (*tree.File, error) {
	var r mvcc.Row
	live, err := t.rows.Get(path, mvcc.NewestRevision, &r)
	if err != nil || !live {
		return nil, err
	}
	return file(&r), nil
}

func (t treeRows) IsFile(path []byte) (bool, error) { return mvcc.Exists(t.rows, path) }

func file(r *mvcc.Row) *tree.File {
	return &tree.File{Path: r.Key, Value: r.Value, Create: r.Create, Mod: r.Revision, Expiration: r.Expiration}
}

func (t treeRows) Files(low, high []byte, fn func(*tree.File) (bool, error)) error {
	return mvcc.ScanAlone(t.rows, mvcc.NewSpan(low, high), func(r *mvcc.Row) (bool, error) { return fn(file(r)) })
}

func (t treeRows) Dir(path []byte) (*tree.Dir, error) {
	dir, err := t.rows.Dir(path)
	return (*tree.Dir)(dir), err
}

func (t treeRows) Dirs(low, high []byte, fn func([]byte, *tree.Dir) (bool, error)) error {
	return t.rows.ScanDirs(low, high, func(path []byte, dir *mvcc.Dir) (bool, error) { return fn(path, (*tree.Dir)(dir)) })
}

func (t treeRows) MayPut(path, value []byte) error {
	if t.quotas.None() {
		return nil
	}
	var prev mvcc.Row
	live, err := t.rows.Get(path, mvcc.NewestRevision, &prev)
	if err != nil {
		return err
	}
	return t.quotas.Check(path, replacement(path, value, &prev, live))
}

func (t treeRows) Put(path, value []byte, expiration int64, fresh bool) (*mvccpb.KeyValue, error) {
	var prev mvcc.Row
	live, err := t.rows.Get(path, mvcc.NewestRevision, &prev)
	if err != nil {
		return nil, err
	}
	r := mvcc.Row{Key: path, Record: mvcc.Record{Value: value, Expiration: expiration}}
	if !live {
		return t.rows.Put(&r, nil, fresh), nil
	}
	return t.rows.Put(&r, &prev, fresh), nil
}

func (t treeRows) Delete(path []byte) (*mvccpb.KeyValue, error) {
	_, prevs, err := t.rows.Delete(mvcc.NewSpan(path, nil), true)
	if err == nil && len(prevs) == 0 {
		err = fmt.Errorf("tree deletes %q, which does not exist", path)
	}
	if err != nil {
		return nil, err
	}
	t.rows.Counters().Deletes.Add(1)
	return prevs[0], nil
}

func (t treeRows) DeleteAll(low, high []byte) error {
	deleted, _, err := t.rows.Delete(mvcc.NewSpan(low, high), false)
	t.rows.Counters().Deletes.Add(uint64(max(1, deleted)))
	return err
}

func (t treeRows) SetDir(path []byte, dir tree.Dir) error { return t.rows.SetDir(path, mvcc.Dir(dir)) }

func (t treeRows) DropDir(path []byte) error { return t.rows.DropDir(path) }

// TreeReading is what ReadTree found, and where the state stood.
type TreeReading struct {
	// Node is unset if there is a Failure.
	Node     *consensusv1.TreeNode
	Failure  *consensusv1.TreeFailure
	Revision int64
	// Index and Term are those of the newest log entry in the state.
	Index, Term uint64
}

// ReadTree reads a file or directory of the tree, see tree.Read. Nothing of the result is shared.
//
// What stands beside the keys has no old versions, so everything is read as of one moment, position included: it may be newer
// than what the store's Revision has told just before.
func (m *Machine) ReadTree(ctx context.Context, path []byte, recursive bool) (_ *TreeReading, err error) {
	m.store.Counters().Ranges.Add(1)
	current, err := m.store.Current(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, current.Close()) }()
	r := &TreeReading{Revision: current.Revision()}
	r.Index, r.Term = current.Applied()
	r.Node, r.Failure, err = tree.Read(currentTree{current}, path, recursive, func(bytes int64) error { return mvcc.Grow(ctx, bytes) })
	if err != nil {
		return nil, err
	}
	m.tree.gets.add(r.Failure != nil)
	return r, nil
}

// currentTree is what is committed, as the tree sees it.
type currentTree struct{ rows *mvcc.Current }

func (t currentTree) File(path []byte) (*tree.File, error) {
	var r mvcc.Row
	live, err := t.rows.Get(path, &r)
	if err != nil || !live {
		return nil, err
	}
	return file(&r), nil
}

func (t currentTree) IsFile(path []byte) (bool, error) {
	file, err := t.File(path)
	return file != nil, err
}

func (t currentTree) Files(low, high []byte, fn func(*tree.File) (bool, error)) error {
	return t.rows.Scan(mvcc.NewSpan(low, high), func(r *mvcc.Row) (bool, error) { return fn(file(r)) })
}

func (t currentTree) Dir(path []byte) (*tree.Dir, error) {
	dir, err := t.rows.Dir(path)
	return (*tree.Dir)(dir), err
}

func (t currentTree) Dirs(low, high []byte, fn func([]byte, *tree.Dir) (bool, error)) error {
	return t.rows.ScanDirs(low, high, func(path []byte, dir *mvcc.Dir) (bool, error) { return fn(path, (*tree.Dir)(dir)) })
}

// Due returns the operations that end what has expired at a time, in nanoseconds since 1970, in the order of their
// expirations; at most so many.
func (m *Machine) Due(now int64, limit int) ([]*consensusv1.TreeOp, error) {
	due, err := m.store.Due(now, limit)
	ops := make([]*consensusv1.TreeOp, len(due))
	for i, e := range due {
		ops[i] = &consensusv1.TreeOp{Action: consensusv1.TreeAction_TREE_ACTION_EXPIRE, Path: e.Path, Dir: e.Dir, Expiration: e.At}
	}
	return ops, err
}
