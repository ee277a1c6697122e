package mvcc

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// treeModel is the naive tree: two maps, and every question answered by looking at all of them.
type treeModel struct {
	revision int64
	files    map[string]*consensusv1.TreeNode
	records  map[string]*consensusv1.TreeNode
}

func inside(path, dir string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") && path != "/"
}

func above(path string) (dirs []string) {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			dirs = append(dirs, path[:i])
		}
	}
	return dirs
}

// dir returns the directory at a path, also one that is only implied, nil if there is none.
func (m *treeModel) dir(path string) *consensusv1.TreeNode {
	if r := m.records[path]; r != nil {
		return r
	}
	for _, f := range slices.Sorted(maps.Keys(m.files)) {
		if inside(f, path) {
			c := m.files[f].GetCreateRevision()
			return &consensusv1.TreeNode{Path: []byte(path), Dir: true, CreateRevision: c, ModRevision: c}
		}
	}
	return nil
}

type no struct {
	code  consensusv1.TreeFailure_Code
	cause string
}

// look is what the operation finds at its path, or why it cannot.
func (m *treeModel) look(path string) (file, dir *consensusv1.TreeNode, refused *no) {
	for _, a := range above(path) {
		if m.files[a] != nil {
			return nil, nil, &no{consensusv1.TreeFailure_CODE_NOT_DIRECTORY, a}
		}
	}
	if f := m.files[path]; f != nil {
		return f, nil, nil
	}
	return nil, m.dir(path), nil
}

func (m *treeModel) missing(path string) *no {
	for _, a := range append(above(path), path) {
		if m.dir(a) == nil {
			return &no{consensusv1.TreeFailure_CODE_NOT_FOUND, a}
		}
	}
	panic("not missing")
}

// apply returns the nodes after and before, or why not. The model changes only in the first case.
func (m *treeModel) apply(op *consensusv1.TreeOp) (node, prev *consensusv1.TreeNode, refused *no) {
	path, next := string(op.GetPath()), m.revision+1
	if op.GetInOrder() {
		path = fmt.Sprintf("%s/%020d", strings.TrimSuffix(path, "/"), next)
	}
	if op.GetAction() == consensusv1.TreeAction_TREE_ACTION_EXPIRE {
		return m.expire(op)
	}
	if path == "/" && op.GetAction() == consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE {
		return nil, nil, &no{consensusv1.TreeFailure_CODE_NOT_FILE, ""}
	}
	if path == "/" {
		return nil, nil, &no{consensusv1.TreeFailure_CODE_ROOT_READ_ONLY, "/"}
	}
	file, dir, refused := m.look(path)
	if refused != nil {
		return nil, nil, refused
	}
	must := file == nil && dir == nil && (op.GetAction() != consensusv1.TreeAction_TREE_ACTION_SET || op.GetRefresh()) &&
		op.GetAction() != consensusv1.TreeAction_TREE_ACTION_CREATE
	if must {
		return nil, nil, m.missing(path)
	}
	value := op.GetValue()
	if file != nil && op.GetRefresh() {
		value = file.GetValue()
	}
	notFile := &no{consensusv1.TreeFailure_CODE_NOT_FILE, path}
	switch op.GetAction() {
	case consensusv1.TreeAction_TREE_ACTION_CREATE:
		if file != nil || dir != nil {
			return nil, nil, &no{consensusv1.TreeFailure_CODE_EXISTS, path}
		}
		return m.make(path, value, op, next), nil, nil
	case consensusv1.TreeAction_TREE_ACTION_SET:
		if dir != nil {
			return nil, nil, notFile
		}
		return m.make(path, value, op, next), file, nil
	case consensusv1.TreeAction_TREE_ACTION_UPDATE:
		if dir != nil && len(op.GetValue()) > 0 {
			return nil, nil, notFile
		}
		if dir != nil {
			kept := proto.CloneOf(dir)
			kept.Expiration = op.GetExpiration()
			m.parents(path, next)
			m.records[path] = kept
			told := proto.CloneOf(kept)
			told.ModRevision = next
			return told, dir, nil
		}
		return m.write(path, value, op.GetExpiration(), file.GetCreateRevision(), next), file, nil
	case consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP, consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE:
		if dir != nil {
			return nil, nil, notFile
		}
		if wrong := differences(op, file); len(wrong) > 0 {
			return nil, nil, &no{consensusv1.TreeFailure_CODE_COMPARE_FAILED, strings.Join(wrong, " ")}
		}
		if op.GetAction() == consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP {
			return m.write(path, value, op.GetExpiration(), file.GetCreateRevision(), next), file, nil
		}
		return m.remove(file, next), file, nil
	}
	if dir == nil {
		return m.remove(file, next), file, nil
	}
	if !op.GetDir() && !op.GetRecursive() {
		return nil, nil, notFile
	}
	if !op.GetRecursive() && m.holds(path) {
		return nil, nil, &no{consensusv1.TreeFailure_CODE_DIRECTORY_NOT_EMPTY, path}
	}
	return m.removeDir(dir, next), dir, nil
}

// differences says what of the file is not as the operation wants it.
func differences(op *consensusv1.TreeOp, file *consensusv1.TreeNode) (wrong []string) {
	if v := op.GetPrevValue(); len(v) > 0 && !bytes.Equal(v, file.GetValue()) {
		wrong = append(wrong, fmt.Sprintf("[%s != %s]", v, file.GetValue()))
	}
	if i := op.GetPrevIndex(); i > 0 && int64(i) != file.GetModRevision() {
		wrong = append(wrong, fmt.Sprintf("[%d != %d]", i, file.GetModRevision()))
	}
	return wrong
}

func (m *treeModel) expire(op *consensusv1.TreeOp) (node, prev *consensusv1.TreeNode, refused *no) {
	at := m.files[string(op.GetPath())]
	if op.GetDir() {
		at = m.records[string(op.GetPath())]
	}
	switch {
	case at == nil || at.GetExpiration() != op.GetExpiration():
		return nil, nil, &no{consensusv1.TreeFailure_CODE_NOT_FOUND, string(op.GetPath())}
	case op.GetDir():
		return m.removeDir(at, m.revision+1), at, nil
	}
	return m.remove(at, m.revision+1), at, nil
}

func (m *treeModel) holds(dir string) bool {
	for p := range m.files {
		if inside(p, dir) {
			return true
		}
	}
	for p := range m.records {
		if inside(p, dir) {
			return true
		}
	}
	return false
}

func (m *treeModel) parents(path string, next int64) {
	for _, a := range above(path) {
		if m.records[a] == nil {
			m.records[a] = &consensusv1.TreeNode{Path: []byte(a), Dir: true, CreateRevision: next, ModRevision: next}
		}
	}
}

func (m *treeModel) make(path string, value []byte, op *consensusv1.TreeOp, next int64) *consensusv1.TreeNode {
	m.parents(path, next)
	if !op.GetDir() {
		return m.write(path, value, op.GetExpiration(), next, next)
	}
	delete(m.files, path)
	m.records[path] = &consensusv1.TreeNode{
		Path: []byte(path), Dir: true, CreateRevision: next, ModRevision: next, Expiration: op.GetExpiration(),
	}
	return m.records[path]
}

func (m *treeModel) write(path string, value []byte, expiration, create, next int64) *consensusv1.TreeNode {
	m.files[path] = &consensusv1.TreeNode{
		Path: []byte(path), Value: value, CreateRevision: create, ModRevision: next, Expiration: expiration,
	}
	return m.files[path]
}

func (m *treeModel) remove(file *consensusv1.TreeNode, next int64) *consensusv1.TreeNode {
	path := string(file.GetPath())
	delete(m.files, path)
	if !m.holds(path) {
		delete(m.records, path)
	}
	return &consensusv1.TreeNode{Path: file.GetPath(), CreateRevision: file.GetCreateRevision(), ModRevision: next}
}

func (m *treeModel) removeDir(dir *consensusv1.TreeNode, next int64) *consensusv1.TreeNode {
	path := string(dir.GetPath())
	gone := func(p string, _ *consensusv1.TreeNode) bool { return inside(p, path) }
	maps.DeleteFunc(m.files, gone)
	maps.DeleteFunc(m.records, gone)
	delete(m.records, path)
	return &consensusv1.TreeNode{Path: dir.GetPath(), Dir: true, CreateRevision: dir.GetCreateRevision(), ModRevision: next}
}

// read lists what is at a path.
func (m *treeModel) read(path string, recursive bool) (*consensusv1.TreeNode, *no) {
	node := &consensusv1.TreeNode{Path: []byte("/"), Dir: true}
	if path != "/" {
		file, dir, refused := m.look(path)
		switch {
		case refused != nil:
			return nil, refused
		case file != nil:
			return file, nil
		case dir == nil:
			return nil, m.missing(path)
		}
		node = proto.CloneOf(dir)
	}
	names := map[string]bool{}
	for _, all := range []map[string]*consensusv1.TreeNode{m.files, m.records} {
		for p := range all {
			if inside(p, path) {
				name, _, _ := strings.Cut(p[len(strings.TrimSuffix(path, "/"))+1:], "/")
				names[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name[0] == '_' {
			continue
		}
		child, _ := m.read(strings.TrimSuffix(path, "/")+"/"+name, recursive)
		if !recursive {
			child = proto.CloneOf(child)
			child.Nodes = nil
		}
		node.Nodes = append(node.Nodes, child)
	}
	return node, nil
}

func randomPath(r *rand.Rand) string {
	path := ""
	for range 1 + r.IntN(3) {
		path += "/" + []string{"a", "b", "ab", "a-", "_h", "00000000000000000007"}[r.IntN(6)]
	}
	return path
}

func randomTreeOp(r *rand.Rand, m *treeModel) *consensusv1.TreeOp {
	op := &consensusv1.TreeOp{
		Action: consensusv1.TreeAction(1 + r.IntN(7)), Path: []byte(randomPath(r)), Value: []byte{"xyz"[r.IntN(3)]},
		Dir: r.IntN(4) == 0, Recursive: r.IntN(3) == 0,
	}
	if r.IntN(40) == 0 {
		op.Path = []byte("/")
	}
	if r.IntN(3) == 0 {
		op.Expiration = int64(1 + r.IntN(20))
	}
	switch op.GetAction() {
	case consensusv1.TreeAction_TREE_ACTION_CREATE:
		op.InOrder = r.IntN(3) == 0
	case consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP, consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE:
		op.PrevValue = []byte{"xyz"[r.IntN(3)]}
		op.PrevIndex = uint64(r.IntN(int(m.revision) + 1))
	case consensusv1.TreeAction_TREE_ACTION_EXPIRE:
		for _, all := range []map[string]*consensusv1.TreeNode{m.files, m.records} {
			for _, p := range slices.Sorted(maps.Keys(all)) {
				if all[p].GetExpiration() != 0 && r.IntN(2) == 0 {
					op.Path, op.Dir, op.Expiration = []byte(p), all[p].GetDir(), all[p].GetExpiration()
				}
			}
		}
	}
	if op.GetAction() != consensusv1.TreeAction_TREE_ACTION_DELETE && op.GetDir() || r.IntN(3) == 0 {
		op.Value = nil
	}
	op.Refresh = op.GetExpiration() != 0 && !op.GetDir() && r.IntN(3) == 0
	return op
}

// The store agrees with a naive tree about every change, whether it is declined and why, about what can be read at any path,
// and about what ends when. Changes of the tree mix with puts and deletions of keys, in batches of any size.
func TestTreeAgreesWithModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			m := &treeModel{revision: 1, files: map[string]*consensusv1.TreeNode{}, records: map[string]*consensusv1.TreeNode{}}
			fs := vfs.NewMem()
			s := openSmall(t, fs)
			for range 250 {
				b := begin(s)
				for range 1 + r.IntN(6) {
					stepTree(t, r, m, b)
				}
				require.NoError(t, b.Commit())
				requireTree(t, r, m, s)
				require.NoError(t, s.Verify(t.Context(), atOnce))
				requireUsage(t, s)
				if r.IntN(50) == 0 {
					require.NoError(t, s.Close())
					s = openSmall(t, fs)
				}
			}
			require.NoError(t, s.Close())
		})
	}
}

// stepTree makes one change, of a key or of the tree, in the model and the batch.
func stepTree(t *testing.T, r *rand.Rand, m *treeModel, b Commands) {
	t.Helper()
	path := randomPath(r)
	switch r.IntN(10) {
	case 0:
		_, commit, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_Put{
			Put: &consensusv1.PutOp{Key: []byte(path), Value: []byte("v3")},
		}})
		require.NoError(t, err)
		create := commit.GetRevision()
		if old := m.files[path]; old != nil {
			create = old.GetCreateRevision()
		}
		m.write(path, []byte("v3"), 0, create, commit.GetRevision())
		m.revision = commit.GetRevision()
		return
	case 1:
		_, commit, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_DeleteRange{
			DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte(path), RangeEnd: []byte(path + "0")},
		}})
		require.NoError(t, err)
		maps.DeleteFunc(m.files, func(p string, _ *consensusv1.TreeNode) bool { return p >= path && p < path+"0" })
		m.revision = max(m.revision, commit.GetRevision())
		return
	}
	op := randomTreeOp(r, m)
	node, prev, refused := m.apply(op)
	res, commit, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: op}})
	require.NoError(t, err)
	if refused != nil {
		require.Nil(t, commit, op)
		want := &consensusv1.TreeFailure{Code: refused.code, Cause: []byte(refused.cause)}
		requireProto(t, want, res.GetTree().GetFailure(), op)
		return
	}
	m.revision++
	require.Equal(t, m.revision, commit.GetRevision(), op)
	requireProto(t, &consensusv1.TreeResult{Node: node, PrevNode: prev}, res.GetTree(), op)
	require.Equal(t, op.GetRefresh(), commit.GetTree().GetSilent())
}

func requireTree(t *testing.T, r *rand.Rand, m *treeModel, s *Store) {
	t.Helper()
	for _, path := range []string{"/", randomPath(r), randomPath(r)} {
		for _, recursive := range []bool{false, true} {
			want, refused := m.read(path, recursive)
			node, failure, revision, err := NewMachine(s).ReadTree(context.Background(), []byte(path), recursive)
			require.NoError(t, err)
			require.Equal(t, m.revision, revision)
			if refused != nil {
				requireProto(t, &consensusv1.TreeFailure{Code: refused.code, Cause: []byte(refused.cause)}, failure, path)
				continue
			}
			requireProto(t, want, node, path)
		}
	}
	type end struct {
		at   int64
		dir  bool
		path string
	}
	var want, got []end
	for p, n := range m.files {
		if n.GetExpiration() != 0 {
			want = append(want, end{n.GetExpiration(), false, p})
		}
	}
	for p, n := range m.records {
		if n.GetExpiration() != 0 {
			want = append(want, end{n.GetExpiration(), true, p})
		}
	}
	due, err := NewMachine(s).Due(100, 1000)
	require.NoError(t, err)
	for _, op := range due {
		got = append(got, end{op.GetExpiration(), op.GetDir(), string(op.GetPath())})
	}
	require.ElementsMatch(t, want, got)
	require.True(t, slices.IsSortedFunc(got, func(a, b end) int { return int(a.at - b.at) }))
}
