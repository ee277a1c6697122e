package tree

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/treepath"
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
			err = newError(consensusv1.TreeFailure_CODE_DIRECTORY_NOT_EMPTY, o.path)
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

// removedBytesMax bounds the list of directories that a deletion took along, which is for their watchers: it stands in one
// row of the history, and in memory while it is told.
const removedBytesMax = 16 << 20

// deleteDir deletes a directory with all keys and records below it. If there are too many directories to tell of, a
// client's request is refused (errdefs.ErrTooLarge): it can delete them by parts. One that has expired goes all the same,
// and only the first of them are told of.
func (o *operation) deleteDir(dir *Dir) (outcome, error) {
	out := outcome{prev: dir.node(o.path), node: dir.node(o.path)}
	out.node.ModRevision, out.node.Expiration = o.s.Next(), 0
	low, high := below(o.path)
	gone := removed{dir: o.path, names: map[string]bool{}}
	err := o.s.Files(low, high, func(f *File) (bool, error) {
		if !treepath.Valid(f.Path) {
			return true, nil
		}
		return true, ancestors(f.Path[len(o.path):], gone.add)
	})
	if err != nil {
		return outcome{}, err
	}
	err = o.s.Dirs(low, high, func(path []byte, _ *Dir) (bool, error) {
		return gone.add(path[len(o.path):])
	})
	if err != nil {
		return outcome{}, err
	}
	if gone.more && o.op.GetAction() != consensusv1.TreeAction_TREE_ACTION_EXPIRE {
		return outcome{}, fmt.Errorf("delete %q with more than %d bytes of directories in it: %w", o.path, removedBytesMax, errdefs.ErrTooLarge)
	}
	out.removed = gone.paths()
	if err := o.s.DeleteAll(low, high); err != nil {
		return outcome{}, err
	}
	if err := o.dropDirs(low, high); err != nil {
		return outcome{}, err
	}
	return out, o.s.DropDir(o.path)
}

// recordsPage is how many records of directories are named in memory at a time to be deleted.
const recordsPage = 1000

// dropDirs deletes the records of the directories in [low, high).
func (o *operation) dropDirs(low, high []byte) error {
	for {
		var page [][]byte
		err := o.s.Dirs(low, high, func(path []byte, _ *Dir) (bool, error) {
			page = append(page, bytes.Clone(path))
			return len(page) < recordsPage, nil
		})
		if err != nil {
			return err
		}
		for _, path := range page {
			if err := o.s.DropDir(path); err != nil {
				return err
			}
		}
		if len(page) < recordsPage {
			return nil
		}
		low = append(page[len(page)-1], 0)
	}
}

// removed gathers the directories below one that is deleted.
type removed struct {
	dir []byte
	// names are what follows dir in their paths.
	names map[string]bool
	bytes int
	// more is set when there are more than may be told.
	more bool
}

// removedPathBytes is about what a path takes in memory and in the history beside its bytes.
const removedPathBytes = 64

// add takes the end of a path. It always asks for more.
func (r *removed) add(name []byte) (bool, error) {
	if r.names[string(name)] {
		return true, nil
	}
	size := removedPathBytes + len(r.dir) + len(name)
	if r.bytes+size > removedBytesMax {
		r.more = true
		return true, nil
	}
	r.bytes += size
	r.names[string(name)] = true
	return true, nil
}

// paths returns the directories in order.
func (r *removed) paths() [][]byte {
	var paths [][]byte
	for name := range r.names {
		paths = append(paths, append(bytes.Clone(r.dir), name...))
	}
	slices.SortFunc(paths, bytes.Compare)
	return paths
}
