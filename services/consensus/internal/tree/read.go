package tree

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/treepath"
)

// stepsBeforeSeek is how many rows of one subdirectory a listing of the directory above passes before it seeks behind
// them all.
const stepsBeforeSeek = 16

const (
	// answerBytesMax bounds an answer, which is in memory several times until it is sent. What is larger can be read by
	// its parts.
	answerBytesMax = 64 << 20
	// nodeBytes is about what a node takes in memory beside its path and value.
	nodeBytes = 256
)

// Read returns the node at a path, with what is in it if it is a directory: all levels if recursive, else one. Either a
// node or a failure is returned, unless the store fails or the answer is too large (errdefs.ErrTooLarge).
//
// grow waits for room for so many bytes of the answer, or fails.
func Read(r Reader, path []byte, recursive bool, grow func(bytes int64) error) (*consensusv1.TreeNode, *consensusv1.TreeFailure, error) {
	node, err := read(r, path, recursive, grow)
	if f := (treeError{}); errors.As(err, &f) {
		return nil, f.TreeFailure, nil
	}
	return node, nil, err
}

func read(r Reader, path []byte, recursive bool, grow func(bytes int64) error) (*consensusv1.TreeNode, error) {
	if !treepath.Valid(path) {
		return nil, notFound(path)
	}
	node := &consensusv1.TreeNode{Path: path, Dir: true}
	if !isRoot(path) {
		f, err := lookup(r, path)
		switch {
		case err != nil:
			return nil, err
		case f.file != nil:
			return f.file.withValue(), nil
		case f.dir == nil:
			return nil, missing(r, path)
		}
		node = f.dir.node(path)
	}
	l := newListing(r, node, recursive)
	l.grow = grow
	if err := l.files(); err != nil {
		return nil, err
	}
	if err := l.dirs(); err != nil {
		return nil, err
	}
	l.sort(node)
	return node, nil
}

// listing gathers what is in a directory.
type listing struct {
	r           Reader
	recursive   bool
	prefix, end []byte
	// nodes are those found so far, by path.
	nodes map[string]*consensusv1.TreeNode
	// bytes is about what they take, grown what of it grow was asked for.
	bytes, grown int
	grow         func(bytes int64) error
}

func newListing(r Reader, dir *consensusv1.TreeNode, recursive bool) *listing {
	l := &listing{r: r, recursive: recursive, nodes: map[string]*consensusv1.TreeNode{string(dir.GetPath()): dir}}
	l.prefix, l.end = below(dir.GetPath())
	return l
}

// files adds the files, and the directories that they imply.
func (l *listing) files() error {
	return walk(l, l.r.Files, func(f *File) []byte { return f.Path }, func(f *File, concealed []byte) {
		if !treepath.Valid(f.Path) || isRoot(f.Path) {
			return
		}
		shown := f.Path
		if concealed != nil {
			shown = concealed
		}
		name, deeper := child(shown[len(l.prefix):])
		if deeper && !l.recursive {
			l.imply(f.Path[:len(l.prefix)+len(name)], f.Create)
			return
		}
		// A directory is there although all that is in it is hidden.
		if above := l.imply(parent(shown), f.Create); above != nil && concealed == nil {
			l.add(above, f.withValue())
		}
	})
}

// record is a row of Reader.Dirs.
type record struct {
	path []byte
	dir  *Dir
}

// dirs adds the directories that have records. What was implied of them gives way.
func (l *listing) dirs() error {
	scan := func(low, high []byte, fn func(record) (bool, error)) error {
		return l.r.Dirs(low, high, func(path []byte, dir *Dir) (bool, error) { return fn(record{path, dir}) })
	}
	return walk(l, scan, func(d record) []byte { return d.path }, func(d record, concealed []byte) {
		if _, deeper := child(d.path[len(l.prefix):]); concealed != nil || deeper && !l.recursive {
			return
		}
		// Above it all have records, and were here before.
		if n := l.imply(d.path, d.dir.Create); n != nil {
			n.CreateRevision, n.ModRevision, n.Expiration = d.dir.Create, d.dir.Mod, d.dir.Expiration
		}
	})
}

// walk calls take with the rows of the directory, and the hidden node that a row is or lies below. Of what is hidden, and,
// unless the listing is recursive, of each subdirectory, it leaves out all but the first rows: it goes on behind.
func walk[T any](
	l *listing, scan func(low, high []byte, fn func(T) (bool, error)) error, path func(T) []byte, take func(row T, concealed []byte),
) error {
	for from := l.prefix; from != nil; {
		low := from
		from = nil
		var passing []byte
		steps := 0
		err := scan(low, l.end, func(row T) (bool, error) {
			p := path(row)
			over := l.concealed(p)
			take(row, over)
			if l.bytes > answerBytesMax {
				return false, fmt.Errorf("a directory of more than %d bytes: %w", answerBytesMax, errdefs.ErrTooLarge)
			}
			if more := l.bytes - l.grown; more >= budget.AnswerStep {
				l.grown = l.bytes
				if err := l.grow(int64(more)); err != nil {
					return false, err
				}
			}
			if name, deeper := child(p[len(l.prefix):]); over == nil && deeper && !l.recursive {
				over = p[:len(l.prefix)+len(name)]
			}
			if over == nil {
				return true, nil
			}
			if !bytes.Equal(over, passing) {
				passing, steps = bytes.Clone(over), 0
			}
			if steps++; steps < stepsBeforeSeek {
				return true, nil
			}
			_, from = below(passing)
			return false, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// concealed returns the hidden node that a path is or lies below, seen from the listing's directory; nil if there is none.
func (l *listing) concealed(path []byte) []byte {
	rest := path[len(l.prefix):]
	if hidden(rest) {
		name, _ := child(rest)
		return path[:len(l.prefix)+len(name)]
	}
	at := bytes.Index(rest, []byte{separator, '_'})
	if at < 0 {
		return nil
	}
	name, _ := child(rest[at+1:])
	return path[:len(l.prefix)+at+1+len(name)]
}

func (l *listing) add(above, node *consensusv1.TreeNode) {
	l.nodes[string(node.GetPath())] = node
	l.bytes += nodeBytes + len(node.GetPath()) + len(node.GetValue())
	above.Nodes = append(above.Nodes, node)
}

// imply returns the directory at a path, which is made if it was not met yet, with those above it. It returns nil if a
// file is there or above: files come before what lies below them.
func (l *listing) imply(path []byte, revision int64) *consensusv1.TreeNode {
	if n := l.nodes[string(path)]; n != nil {
		if !n.GetDir() {
			return nil
		}
		return n
	}
	above := l.imply(parent(path), revision)
	if above == nil {
		return nil
	}
	n := (&Dir{Create: revision, Mod: revision}).node(bytes.Clone(path))
	l.add(above, n)
	return n
}

// sort orders what is in a directory, on all levels.
func (l *listing) sort(dir *consensusv1.TreeNode) {
	slices.SortFunc(dir.GetNodes(), func(a, b *consensusv1.TreeNode) int { return bytes.Compare(a.GetPath(), b.GetPath()) })
	for _, n := range dir.GetNodes() {
		l.sort(n)
	}
}
