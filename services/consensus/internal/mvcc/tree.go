package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/budget"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/tree"
)

// treeSub is the sub-revision of what a revision did to the tree: it comes after all changes of keys.
const treeSub = math.MaxUint32

// applyTree carries out a change of the tree. That it is declined is a result, not an error.
func (b *Batch) applyTree(op *consensusv1.TreeOp) (*consensusv1.Result, error) {
	switch op.GetAction() {
	case consensusv1.TreeAction_TREE_ACTION_EXPIRE:
		kind := expiryFile
		if op.GetDir() {
			kind = expiryDir
		}
		// Whatever comes of it, it must not be found due again.
		b.delete(appendExpiryKey(b.keyBuf[:0], op.GetExpiration(), kind, op.GetPath()))
	case consensusv1.TreeAction_TREE_ACTION_DELETE, consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE:
	default:
		if b.raised(consensusv1.Alarm_TYPE_NOSPACE) {
			return nil, problem.ErrNoSpace
		}
	}
	res, done, err := tree.Apply(treeStore{b}, op)
	if err == nil && done != nil {
		err = b.changeTree(done)
	}
	if err != nil {
		return nil, err
	}
	b.s.counters.tree.count(op, res)
	return &consensusv1.Result{Result: &consensusv1.Result_Tree{Tree: res}}, nil
}

// changeTree records what the command at hand does to the tree.
func (b *Batch) changeTree(done *consensusv1.TreeChange) error {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(done)
	if err != nil {
		return fmt.Errorf("encode a change of the tree: %w", err)
	}
	b.tree = done
	b.now.happened(hashTreeChange(done))
	b.valueBuf = appendChange(b.valueBuf[:0], &change{tree: encoded})
	b.now.usage.spent += historyUsage(len(encoded))
	b.set(appendHistoryKey(b.keyBuf[:0], b.Next(), treeSub), b.valueBuf)
	return nil
}

// moveExpiry keeps the list of files that end.
func (b *Batch) moveExpiry(path []byte, from, to int64) { b.moveExpiryOf(expiryFile, path, from, to) }

func (b *Batch) moveExpiryOf(kind byte, path []byte, from, to int64) {
	if from == to {
		return
	}
	if from != 0 {
		b.now.usage.live -= expiryRowBytes + int64(len(path))
		b.delete(appendExpiryKey(b.keyBuf[:0], from, kind, path))
	}
	if to != 0 {
		b.now.usage.live += expiryRowBytes + int64(len(path))
		b.set(appendExpiryKey(b.keyBuf[:0], to, kind, path), nil)
	}
}

// putFile writes a key as a file of the tree. See tree.Store.
func (b *Batch) putFile(path, value []byte, expiration int64, fresh bool) (*consensusv1.KeyValue, error) {
	var prev Row
	live, err := b.Get(path, NewestRevision, &prev)
	if err != nil {
		return nil, err
	}
	b.s.counters.puts.Add(1)
	r := Row{Key: path, Revision: b.Next(), Record: Record{Create: b.Next(), Version: 1, Expiration: expiration, Value: value}}
	event := &consensusv1.Event{Type: consensusv1.Event_PUT}
	if live {
		if !fresh {
			r.Create, r.Version = prev.Create, prev.Version+1
		}
		event.PrevKv = b.slab.toKeyValue(&prev, true)
		b.moveAttachment(path, prev.Lease, 0)
		b.moveExpiry(path, prev.Expiration, expiration)
	} else {
		b.moveExpiry(path, 0, expiration)
	}
	event.Kv = &consensusv1.KeyValue{
		Key: path, Value: value, CreateRevision: r.Create, ModRevision: r.Revision, Version: r.Version,
	}
	b.write(&r, &prev, live, event)
	return event.GetPrevKv(), nil
}

// treeStore is a batch as the tree sees it.
type treeStore struct{ b *Batch }

func (t treeStore) Next() int64 { return t.b.Next() }

func (t treeStore) File(path []byte) (*tree.File, error) {
	var r Row
	live, err := t.b.Get(path, NewestRevision, &r)
	if err != nil || !live {
		return nil, err
	}
	return r.file(), nil
}

func (r *Row) file() *tree.File {
	return &tree.File{Path: r.Key, Value: r.Value, Create: r.Create, Mod: r.Revision, Expiration: r.Expiration}
}

func (t treeStore) Files(low, high []byte, fn func(*tree.File) (bool, error)) error {
	return t.b.Scan(context.Background(), Span{low: low, high: high}, NewestRevision, func(r *Row) (bool, error) {
		return fn(r.file())
	})
}

func (t treeStore) Dir(path []byte) (*tree.Dir, error) {
	if dir, known := t.b.dirs.records[string(path)]; known {
		return dir, nil
	}
	base, err := t.b.seekBase()
	if err != nil {
		return nil, err
	}
	return seekDir(base.it, path)
}

func (t treeStore) Dirs(low, high []byte, fn func([]byte, *tree.Dir) (bool, error)) error {
	base, err := t.b.seekBase()
	if err != nil {
		return err
	}
	m := dirMerge{o: &t.b.dirs, changed: t.b.dirs.within(low, high), fn: fn}
	err = scanDirs(context.Background(), base.it, low, high, m.base)
	if err == nil && !m.done {
		err = m.before(nil)
	}
	return err
}

func (t treeStore) Put(path, value []byte, expiration int64, fresh bool) (*consensusv1.KeyValue, error) {
	return t.b.putFile(path, value, expiration, fresh)
}

func (t treeStore) Delete(path []byte) (*consensusv1.KeyValue, error) {
	var r Row
	live, err := t.b.Get(path, NewestRevision, &r)
	if err == nil && !live {
		err = fmt.Errorf("tree deletes %q, which does not exist: %w", path, errBadRecord)
	}
	if err != nil {
		return nil, err
	}
	t.b.s.counters.deletes.Add(1)
	prev := t.b.slab.toKeyValue(&r, true)
	t.b.deleteKey(prev, r.Expiration)
	return prev, nil
}

func (t treeStore) DeleteAll(low, high []byte) error {
	res, err := t.b.deleteRange(&consensusv1.DeleteRangeOp{Key: low, RangeEnd: high})
	t.b.s.counters.deletes.Add(uint64(max(0, res.GetDeleted()-1))) // one is counted already
	return err
}

func (t treeStore) SetDir(path []byte, dir tree.Dir) error {
	old, err := t.Dir(path)
	if err != nil {
		return err
	}
	var before int64
	if old != nil {
		before = old.Expiration
	}
	t.b.moveExpiryOf(expiryDir, path, before, dir.Expiration)
	t.b.now.replace(hashDir(path, old), hashDir(path, &dir))
	t.b.now.usage.live += dirUsage(path, &dir) - dirUsage(path, old)
	t.b.valueBuf = appendDir(t.b.valueBuf[:0], &dir)
	t.b.set(appendDirKey(t.b.keyBuf[:0], path), t.b.valueBuf)
	t.b.dirs.set(path, &dir)
	return nil
}

func (t treeStore) DropDir(path []byte) error {
	old, err := t.Dir(path)
	if err != nil || old == nil {
		return err
	}
	t.b.moveExpiryOf(expiryDir, path, old.Expiration, 0)
	t.b.now.replace(hashDir(path, old), 0)
	t.b.now.usage.live -= dirUsage(path, old)
	t.b.delete(appendDirKey(t.b.keyBuf[:0], path))
	t.b.dirs.set(path, nil)
	return nil
}

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
// What stands beside the keys has no old versions, so everything is read from one snapshot of Pebble's, position
// included: it may be newer than what Revision has told just before.
func (s *Store) ReadTree(ctx context.Context, path []byte, recursive bool) (_ *TreeReading, err error) {
	s.counters.ranges.Add(1)
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	p := freshPosition()
	if it.SeekPrefixGE(appendMetaKey(nil, metaPosition)) {
		b, err := it.ValueAndErr()
		if err == nil {
			err = decodePosition(b, &p)
		}
		if err != nil {
			return nil, err
		}
	} else if err := it.Error(); err != nil {
		return nil, err
	}
	r := &TreeReading{Revision: p.revision, Index: p.index, Term: p.term}
	r.Node, r.Failure, err = tree.Read(&treeView{ctx: ctx, it: it}, path, recursive, func(bytes int64) error { return budget.Grow(ctx, bytes) })
	if err != nil {
		return nil, err
	}
	s.counters.tree.gets.add(r.Failure != nil)
	return r, nil
}

// treeView is a snapshot of what is committed, as the tree sees it.
type treeView struct {
	ctx context.Context
	it  *pebble.Iterator
	key []byte
}

func (v *treeView) File(path []byte) (*tree.File, error) {
	var r Row
	v.key = appendVersionKey(v.key[:0], path, NewestRevision)
	live, err := seekVersion(v.it, v.key, path, &r)
	if err != nil || !live {
		return nil, err
	}
	return r.file(), nil
}

func (v *treeView) Files(low, high []byte, fn func(*tree.File) (bool, error)) error {
	return scanVersions(v.ctx, v.it, Span{low: low, high: high}, NewestRevision, nil, func(r *Row) (bool, error) { return fn(r.file()) })
}

func (v *treeView) Dir(path []byte) (*tree.Dir, error) { return seekDir(v.it, path) }

func (v *treeView) Dirs(low, high []byte, fn func([]byte, *tree.Dir) (bool, error)) error {
	return scanDirs(v.ctx, v.it, low, high, fn)
}

// Due returns the operations that end what has expired at a time, in nanoseconds since 1970, in the order of their
// expirations; at most so many.
func (s *Store) Due(now int64, limit int) ([]*consensusv1.TreeOp, error) {
	var due []*consensusv1.TreeOp
	lower, upper := expiryBounds(now)
	err := s.each(lower, upper, func(k, _ []byte) error {
		at, kind, path, err := splitExpiryKey(k)
		if err != nil {
			return err
		}
		due = append(due, &consensusv1.TreeOp{
			Action: consensusv1.TreeAction_TREE_ACTION_EXPIRE, Path: bytes.Clone(path), Dir: kind == expiryDir, Expiration: at,
		})
		if len(due) == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return due, err
}
