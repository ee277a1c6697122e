package tree

import (
	"bytes"
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func (o *operation) delete() (outcome, error) {
	if isRoot(o.path) {
		return outcome{}, rootReadOnly()
	}
	at, err := o.present()
	switch {
	case err != nil:
		return outcome{}, err
	case at.file != nil:
		return o.deleteFile(at.file)
	case !o.op.GetDir() && !o.op.GetRecursive():
		return outcome{}, notFile(o.path)
	}
	if !o.op.GetRecursive() {
		is, err := empty(o.s, o.path)
		if err == nil && !is {
			err = fail(consensusv1.TreeFailure_CODE_DIRECTORY_NOT_EMPTY, o.path)
		}
		if err != nil {
			return outcome{}, err
		}
	}
	return o.deleteDir(at.dir)
}

func (o *operation) compareAndDelete() (outcome, error) {
	if isRoot(o.path) {
		return outcome{}, notFile(nil)
	}
	file, err := o.compared()
	if err != nil {
		return outcome{}, err
	}
	return o.deleteFile(file)
}

// expire ends a file or directory whose time has come, unless it has gone or got another expiration meanwhile. A
// directory goes even where a file stands in its way or place: it is there, only hidden.
func (o *operation) expire() (outcome, error) {
	if o.op.GetDir() {
		dir, err := o.s.Dir(o.path)
		if err != nil {
			return outcome{}, err
		}
		if dir == nil || dir.Expiration != o.op.GetExpiration() {
			return outcome{}, notFound(o.path)
		}
		return o.deleteDir(dir)
	}
	file, err := o.s.File(o.path)
	if err != nil {
		return outcome{}, err
	}
	if file == nil || file.Expiration != o.op.GetExpiration() {
		return outcome{}, notFound(o.path)
	}
	return o.deleteFile(file)
}

// deleteFile leaves the directories above in place. A directory that the file hid stays hidden no longer, unless nothing
// is in it: then it goes too, for whoever deletes a file does not expect to find a directory there.
func (o *operation) deleteFile(file *File) (outcome, error) {
	out := outcome{prev: file.node(o.path), node: file.node(o.path)}
	out.node.ModRevision, out.node.Expiration = o.s.Next(), 0
	old, err := o.s.Delete(o.path)
	if err != nil {
		return outcome{}, err
	}
	out.prev.Value = old.GetValue()
	dir, err := o.s.Dir(o.path)
	if err != nil || dir == nil {
		return out, err
	}
	if is, err := empty(o.s, o.path); err != nil || !is {
		return out, err
	}
	return out, o.s.DropDir(o.path)
}

// deleteDir deletes a directory with all keys and records below it.
func (o *operation) deleteDir(dir *Dir) (outcome, error) {
	out := outcome{prev: dir.node(o.path), node: dir.node(o.path)}
	out.node.ModRevision, out.node.Expiration = o.s.Next(), 0
	low, high := below(o.path)
	var keys [][]byte
	gone := map[string]bool{}
	err := o.s.Files(low, high, func(f *File) (bool, error) {
		keys = append(keys, bytes.Clone(f.Path))
		if !Clean(f.Path) {
			return true, nil
		}
		return true, ancestors(f.Path[len(o.path):], func(above []byte) (bool, error) {
			gone[string(above)] = true
			return true, nil
		})
	})
	if err != nil {
		return outcome{}, err
	}
	var records [][]byte
	err = o.s.Dirs(low, high, func(path []byte, _ *Dir) (bool, error) {
		records = append(records, bytes.Clone(path))
		gone[string(path[len(o.path):])] = true
		return true, nil
	})
	if err != nil {
		return outcome{}, err
	}
	for name := range gone {
		out.removed = append(out.removed, append(bytes.Clone(o.path), name...))
	}
	slices.SortFunc(out.removed, bytes.Compare)
	for _, key := range keys {
		if _, err := o.s.Delete(key); err != nil {
			return outcome{}, err
		}
	}
	for _, path := range append(records, o.path) {
		if err := o.s.DropDir(path); err != nil {
			return outcome{}, err
		}
	}
	return out, nil
}
