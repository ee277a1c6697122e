package tree

import (
	"bytes"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/treepath"
)

// found is what is at a path: a file, a directory, or, if neither is set, nothing. Of the file everything but the value
// outlives the next call to the store.
type found struct {
	file *File
	dir  *Dir
	// recorded tells whether the directory has a record, or is one only for what is below it.
	recorded bool
}

func (f found) nothing() bool { return f.file == nil && f.dir == nil }

// lookup finds what is at a path that is not the root. It declines if a file is in the way.
func lookup(r Reader, path []byte) (found, error) {
	if err := checkWay(r, path); err != nil {
		return found{}, err
	}
	// Where a file is there is no directory. It comes first, as most of what is looked up is a file.
	file, err := r.File(path)
	if err != nil || file != nil {
		return found{file: file}, err
	}
	dir, err := r.Dir(path)
	if err != nil || dir != nil {
		return found{dir: dir, recorded: dir != nil}, err
	}
	dir, err = implied(r, path)
	return found{dir: dir}, err
}

// checkWay declines if one of the directories above a path is a file.
func checkWay(r Reader, path []byte) error {
	return ancestors(path, func(dir []byte) (bool, error) {
		is, err := r.IsFile(dir)
		if err == nil && is {
			err = notDirectory(dir)
		}
		return true, err
	})
}

// misfitsMax is after how many keys that are no paths a search for a file below a directory ends. v3 clients may write any
// number of them, and the state machine must not be held up by walking over them.
const misfitsMax = 1000

// implied returns a directory that has no record, if there is a file below it: it is as old as the first of them. Where
// too many keys that are no paths are in front, there is a directory too: so nobody takes it for empty, or puts a file in
// its place.
func implied(r Reader, path []byte) (*Dir, error) {
	var dir *Dir
	low, high := below(path)
	for misfits := 0; low != nil && dir == nil; {
		from := low
		low = nil
		err := r.Files(from, high, func(f *File) (bool, error) {
			if misfits++; treepath.Valid(f.Path) || misfits == misfitsMax {
				dir = &Dir{Create: f.Create, Mod: f.Create}
				return false, nil
			}
			if shared := treepath.Misfits(f.Path); len(shared) < len(f.Path) {
				low = behind(shared)
			}
			return low == nil, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return dir, nil
}

// missing declines for a path where nothing is, and names the first directory on its way that does not exist.
func missing(r Reader, path []byte) error {
	first := path
	err := ancestors(path, func(above []byte) (bool, error) {
		dir, err := r.Dir(above)
		if err == nil && dir == nil {
			dir, err = implied(r, above)
		}
		if err == nil && dir == nil {
			first = above
		}
		return dir != nil, err
	})
	if err != nil {
		return err
	}
	return notFound(first)
}

// empty tells whether nothing is in a directory.
func empty(r Reader, path []byte) (bool, error) {
	dir, err := implied(r, path)
	if err != nil || dir != nil {
		return false, err
	}
	low, high := below(path)
	is := true
	err = r.Dirs(low, high, func([]byte, *Dir) (bool, error) {
		is = false
		return false, nil
	})
	return is, err
}

func (f *File) node(path []byte) *consensusv1.TreeNode {
	return &consensusv1.TreeNode{
		Path: path, CreateRevision: f.Create, ModRevision: f.Mod, Expiration: f.Expiration,
	}
}

func (d *Dir) node(path []byte) *consensusv1.TreeNode {
	return &consensusv1.TreeNode{
		Path: path, Dir: true, CreateRevision: d.Create, ModRevision: d.Mod, Expiration: d.Expiration,
	}
}

// withValue is node, with a copy of the value.
func (f *File) withValue() *consensusv1.TreeNode {
	n := f.node(bytes.Clone(f.Path))
	n.Value = bytes.Clone(f.Value)
	return n
}
