package tree

import (
	"errors"
	"fmt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/treepath"
)

// Apply carries out an operation. If it is declined, the result holds the failure, there is no change, and the store was
// not written to. An error is the store's.
func Apply(s Store, op *consensusv1.TreeOp) (*consensusv1.TreeResult, *consensusv1.TreeChange, error) {
	o := operation{s: s, op: op, path: op.GetPath()}
	out, err := o.apply()
	if f := (treeError{}); errors.As(err, &f) {
		return &consensusv1.TreeResult{Failure: f.TreeFailure}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	change := &consensusv1.TreeChange{
		Action: op.GetAction(), Node: withoutValue(out.node), PrevNode: withoutValue(out.prev),
		Removed: out.removed, Silent: op.GetRefresh(),
	}
	return &consensusv1.TreeResult{Node: out.node, PrevNode: out.prev}, change, nil
}

func withoutValue(n *consensusv1.TreeNode) *consensusv1.TreeNode {
	if n == nil {
		return nil
	}
	return &consensusv1.TreeNode{
		Path: n.GetPath(), Dir: n.GetDir(),
		CreateRevision: n.GetCreateRevision(), ModRevision: n.GetModRevision(), Expiration: n.GetExpiration(),
	}
}

// operation is one TreeOp at work. It takes two steps, because it must take effect as a whole or not at all: everything
// that may decline it is looked at before the first write.
type operation struct {
	s    Store
	op   *consensusv1.TreeOp
	path []byte
}

// outcome is what an operation did.
type outcome struct {
	node, prev *consensusv1.TreeNode
	removed    [][]byte
}

func (o *operation) apply() (outcome, error) {
	// What a log holds of before there were bounds is declined too, on every member. What was made then must still end.
	expires := o.op.GetAction() == consensusv1.TreeAction_TREE_ACTION_EXPIRE
	if !treepath.WellFormed(o.path) || !expires && !treepath.Fits(o.path) {
		return outcome{}, notFound(o.path)
	}
	switch o.op.GetAction() {
	case consensusv1.TreeAction_TREE_ACTION_SET:
		return o.set()
	case consensusv1.TreeAction_TREE_ACTION_CREATE:
		return o.create()
	case consensusv1.TreeAction_TREE_ACTION_UPDATE:
		return o.update()
	case consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP:
		return o.compareAndSwap()
	case consensusv1.TreeAction_TREE_ACTION_DELETE:
		return o.delete()
	case consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE:
		return o.compareAndDelete()
	case consensusv1.TreeAction_TREE_ACTION_EXPIRE:
		return o.expire()
	}
	return outcome{}, fmt.Errorf("tree: unknown action %d", o.op.GetAction())
}

// set makes a file or directory anew, in place of a file if there is one.
func (o *operation) set() (outcome, error) {
	if isRoot(o.path) {
		return outcome{}, rootReadOnly()
	}
	at, err := lookup(o.s, o.path)
	switch {
	case err != nil:
		return outcome{}, err
	case at.dir != nil:
		return outcome{}, notFile(o.path)
	case o.op.GetRefresh() && at.file == nil:
		return outcome{}, missing(o.s, o.path)
	}
	return o.place(at.file)
}

// create makes a file or directory where nothing is.
func (o *operation) create() (outcome, error) {
	if o.op.GetInOrder() {
		o.nameInOrder()
		if !treepath.Fits(o.path) {
			return outcome{}, notFound(o.path)
		}
	}
	if isRoot(o.path) {
		return outcome{}, rootReadOnly()
	}
	at, err := lookup(o.s, o.path)
	switch {
	case err != nil:
		return outcome{}, err
	case !at.nothing():
		return outcome{}, exists(o.path)
	}
	return o.place(nil)
}

// nameInOrder turns the path of a directory into one within it, under a name that is higher than all before.
func (o *operation) nameInOrder() {
	prefix, _ := below(o.path)
	o.path = fmt.Appendf(prefix, "%020d", o.s.Next())
}

// place writes what set and create make. prev is the file that it replaces, if there is one.
func (o *operation) place(prev *File) (outcome, error) {
	var out outcome
	if prev != nil {
		out.prev = prev.node(o.path)
	}
	value := o.op.GetValue()
	if prev != nil && o.op.GetRefresh() {
		value = append([]byte(nil), prev.Value...)
	}
	if !o.op.GetDir() {
		if err := o.s.MayPut(o.path, value); err != nil {
			return outcome{}, err
		}
	}
	if err := o.record(parent(o.path)); err != nil {
		return outcome{}, err
	}
	if !o.op.GetDir() {
		return o.put(out, value, true)
	}
	if prev != nil {
		old, err := o.s.Delete(o.path)
		if err != nil {
			return outcome{}, err
		}
		out.prev.Value = old.GetValue()
	}
	dir := Dir{Create: o.s.Next(), Mod: o.s.Next(), Expiration: o.op.GetExpiration()}
	out.node = dir.node(o.path)
	return out, o.s.SetDir(o.path, dir)
}

// put writes the file. out has the file before it, without its value.
func (o *operation) put(out outcome, value []byte, fresh bool) (outcome, error) {
	old, err := o.s.Put(o.path, value, o.op.GetExpiration(), fresh)
	if err != nil {
		return outcome{}, err
	}
	f := File{Create: o.s.Next(), Mod: o.s.Next(), Expiration: o.op.GetExpiration()}
	if out.prev != nil {
		out.prev.Value = old.GetValue()
		if !fresh {
			f.Create = out.prev.GetCreateRevision()
		}
	}
	out.node = f.node(o.path)
	out.node.Value = value
	return out, nil
}

// record gives a directory, and those above it, the records that they lack.
func (o *operation) record(path []byte) error {
	for !isRoot(path) {
		dir, err := o.s.Dir(path)
		if err != nil || dir != nil {
			return err // all above it have records too
		}
		if err := o.s.SetDir(path, Dir{Create: o.s.Next(), Mod: o.s.Next()}); err != nil {
			return err
		}
		path = parent(path)
	}
	return nil
}

// present is lookup for operations on what must exist.
func (o *operation) present() (found, error) {
	at, err := lookup(o.s, o.path)
	if err == nil && at.nothing() {
		err = missing(o.s, o.path)
	}
	return at, err
}

// update changes a file's value and expiration, or a directory's expiration.
func (o *operation) update() (outcome, error) {
	if isRoot(o.path) {
		return outcome{}, rootReadOnly()
	}
	at, err := o.present()
	switch {
	case err != nil:
		return outcome{}, err
	case at.file != nil:
		return o.replace(at.file)
	case len(o.op.GetValue()) > 0:
		return outcome{}, notFile(o.path)
	}
	return o.updateDir(at)
}

// updateDir changes when a directory expires. The change has a revision, but the directory keeps its own.
func (o *operation) updateDir(at found) (outcome, error) {
	out := outcome{prev: at.dir.node(o.path), node: at.dir.node(o.path)}
	out.node.ModRevision, out.node.Expiration = o.s.Next(), o.op.GetExpiration()
	if !at.recorded {
		if err := o.record(parent(o.path)); err != nil {
			return outcome{}, err
		}
	}
	dir := *at.dir
	dir.Expiration = o.op.GetExpiration()
	return out, o.s.SetDir(o.path, dir)
}

// replace writes a file over prev, which it continues.
func (o *operation) replace(prev *File) (outcome, error) {
	value := o.op.GetValue()
	if o.op.GetRefresh() {
		value = append([]byte(nil), prev.Value...)
	}
	out := outcome{prev: prev.node(o.path)}
	if err := o.s.MayPut(o.path, value); err != nil {
		return outcome{}, err
	}
	return o.put(out, value, false)
}

func (o *operation) compareAndSwap() (outcome, error) {
	if isRoot(o.path) {
		return outcome{}, rootReadOnly()
	}
	file, err := o.compared()
	if err != nil {
		return outcome{}, err
	}
	return o.replace(file)
}

// compared returns the file if it is as the operation says.
func (o *operation) compared() (*File, error) {
	at, err := o.present()
	switch {
	case err != nil:
		return nil, err
	case at.dir != nil:
		return nil, notFile(o.path)
	}
	return at.file, o.compare(at.file)
}

// compare declines if the file has another value or revision than the operation says.
func (o *operation) compare(file *File) error {
	wanted, index := o.op.GetPrevValue(), o.op.GetPrevIndex()
	otherValue := len(wanted) > 0 && string(wanted) != string(file.Value)
	otherIndex := index != 0 && index != uint64(file.Mod)
	var cause []byte
	if otherValue {
		cause = fmt.Appendf(cause, "[%s != %s]", wanted, file.Value)
	}
	if otherValue && otherIndex {
		cause = append(cause, ' ')
	}
	if otherIndex {
		cause = fmt.Appendf(cause, "[%d != %d]", index, file.Mod)
	}
	if cause == nil {
		return nil
	}
	return newError(consensusv1.TreeFailure_CODE_COMPARE_FAILED, cause)
}
