package tree

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/treepath"
)

// fakeStore holds rows in order and counts those that it shows. It takes deletions as done.
type fakeStore struct {
	files   []*File
	dirs    []string
	shown   int
	deleted int
}

func (s *fakeStore) Next() int64 { return 2 }

func (s *fakeStore) File(path []byte) (*File, error) {
	i, found := s.find(path)
	if !found {
		return nil, nil
	}
	return s.files[i], nil
}

func (s *fakeStore) IsFile(path []byte) (bool, error) {
	_, is := s.find(path)
	return is, nil
}

func (s *fakeStore) find(path []byte) (int, bool) {
	return slices.BinarySearchFunc(s.files, path, func(f *File, path []byte) int { return bytes.Compare(f.Path, path) })
}

func (s *fakeStore) Dir(path []byte) (*Dir, error) {
	if _, found := slices.BinarySearch(s.dirs, string(path)); found {
		return &Dir{Create: 1, Mod: 1}, nil
	}
	return nil, nil
}

func (s *fakeStore) Files(low, high []byte, fn func(*File) (bool, error)) error {
	for i, _ := s.find(low); i < len(s.files) && bytes.Compare(s.files[i].Path, high) < 0; i++ {
		s.shown++
		if more, err := fn(s.files[i]); err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *fakeStore) Dirs(low, high []byte, fn func([]byte, *Dir) (bool, error)) error {
	for i, _ := slices.BinarySearch(s.dirs, string(low)); i < len(s.dirs) && s.dirs[i] < string(high); i++ {
		s.shown++
		if more, err := fn([]byte(s.dirs[i]), &Dir{}); err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *fakeStore) Put([]byte, []byte, int64, bool) (*mvccpb.KeyValue, error) { return nil, nil }

func (s *fakeStore) Delete([]byte) (*mvccpb.KeyValue, error) {
	s.deleted++
	return nil, nil
}

func (s *fakeStore) DeleteAll(low, high []byte) error {
	return s.Files(low, high, func(*File) (bool, error) {
		s.deleted++
		return true, nil
	})
}

func (s *fakeStore) SetDir([]byte, Dir) error { return nil }

func (s *fakeStore) MayPut([]byte, []byte) error { return nil }

func (s *fakeStore) DropDir([]byte) error {
	s.deleted++
	return nil
}

func files(n int, path func(int) string) []*File {
	made := make([]*File, n)
	for i := range made {
		made[i] = &File{Path: []byte(path(i)), Create: 1, Mod: 1}
	}
	slices.SortFunc(made, func(a, b *File) int { return bytes.Compare(a.Path, b.Path) })
	return made
}

// A look-up below keys that are no paths looks at few of them, however many v3 clients wrote, and finds the file behind those
// that share what is wrong with them. Method: each kind of such keys ten thousand times, and a store that counts rows.
func TestKeysThatAreNoPathsMakeNoWalk(t *testing.T) {
	const n, few = 10_000, 3 * misfitsMax
	deepest := strings.Repeat("/x", treepath.DepthMax)
	for name, c := range map[string]struct {
		dir  string
		path func(int) string
		file string
		// seen tells whether the file is found behind them, or a directory is taken to be there.
		seen bool
	}{
		"empty names":    {"/x", func(i int) string { return fmt.Sprint("/x//", i) }, "", false},
		"before a file":  {"/x", func(i int) string { return fmt.Sprint("/x//", i) }, "/x/f", true},
		"dots":           {"/x", func(i int) string { return fmt.Sprint("/x/../", i) }, "/x/f", true},
		"slashes at end": {"/x", func(i int) string { return fmt.Sprint("/x/", i, "/") }, "", true},
		"too deep":       {deepest, func(i int) string { return fmt.Sprint(deepest, "/", i) }, "", false},
		"too long": {"/x", func(i int) string {
			return fmt.Sprintf("/x/%s%d", strings.Repeat("y", treepath.BytesMax), i)
		}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &fakeStore{files: files(n, c.path)}
			if c.file != "" {
				i, _ := s.find([]byte(c.file))
				s.files = slices.Insert(s.files, i, &File{Path: []byte(c.file), Create: 1, Mod: 1})
			}
			result, _, err := Apply(s, &consensusv1.TreeOp{
				Action: consensusv1.TreeAction_TREE_ACTION_DELETE, Path: []byte(c.dir), Dir: true,
			})
			require.NoError(t, err)
			want := consensusv1.TreeFailure_CODE_NOT_FOUND
			if c.seen {
				want = consensusv1.TreeFailure_CODE_DIRECTORY_NOT_EMPTY
			}
			require.Equal(t, want, result.GetFailure().GetCode())
			require.Less(t, s.shown, few)
		})
	}
}

// A path over the bounds is declined, whatever is asked of it, and nothing is written or looked at: so does a member that
// finds it in its log. What expires goes, since it may be of before there were bounds.
func TestPathsOverTheBoundsAreDeclined(t *testing.T) {
	deep := []byte(strings.Repeat("/a", 60_000))
	for action := range consensusv1.TreeAction_name {
		if action == 0 {
			continue
		}
		s := &fakeStore{dirs: []string{string(deep)}}
		result, change, err := Apply(s, &consensusv1.TreeOp{Action: consensusv1.TreeAction(action), Path: deep, Dir: true})
		require.NoError(t, err)
		if consensusv1.TreeAction(action) == consensusv1.TreeAction_TREE_ACTION_EXPIRE {
			require.NotNil(t, change)
			require.Equal(t, 1, s.deleted)
			continue
		}
		require.Equal(t, consensusv1.TreeFailure_CODE_NOT_FOUND, result.GetFailure().GetCode())
		require.Nil(t, change)
		require.Zero(t, s.shown)
	}
	inOrder, _, err := Apply(&fakeStore{}, &consensusv1.TreeOp{
		Action: consensusv1.TreeAction_TREE_ACTION_CREATE, InOrder: true, Path: []byte(strings.Repeat("/a", treepath.DepthMax)),
	})
	require.NoError(t, err)
	require.Equal(t, consensusv1.TreeFailure_CODE_NOT_FOUND, inOrder.GetFailure().GetCode())
}

// A directory that takes more memory than one answer may is not read at once, nor deleted by a client at once; its parts are.
func TestDirectoriesTooLargeForOneAnswer(t *testing.T) {
	value := make([]byte, 1<<20)
	s := &fakeStore{files: files(70, func(i int) string { return fmt.Sprintf("/d/%02d/f", i) })}
	for _, f := range s.files {
		f.Value = value
	}
	_, _, err := Read(s, []byte("/d"), true, func(int64) error { return nil })
	require.ErrorIs(t, err, errdefs.ErrTooLarge)
	node, _, err := Read(s, []byte("/d"), false, func(int64) error { return nil })
	require.NoError(t, err)
	require.Len(t, node.GetNodes(), 70)

	name := strings.Repeat("n", treepath.BytesMax-20)
	s = &fakeStore{dirs: []string{"/d"}}
	for i := range removedBytesMax / (treepath.BytesMax - 20) {
		s.dirs = append(s.dirs, fmt.Sprintf("/d/%08d%s", i, name))
	}
	op := &consensusv1.TreeOp{Action: consensusv1.TreeAction_TREE_ACTION_DELETE, Path: []byte("/d"), Recursive: true}
	_, _, err = Apply(s, op)
	require.ErrorIs(t, err, errdefs.ErrTooLarge)
	require.Zero(t, s.deleted)
	op = &consensusv1.TreeOp{Action: consensusv1.TreeAction_TREE_ACTION_EXPIRE, Path: []byte("/d"), Dir: true}
	_, change, err := Apply(s, op)
	require.NoError(t, err)
	require.Equal(t, len(s.dirs), s.deleted)
	require.NotEmpty(t, change.GetRemoved())
	require.Less(t, len(change.GetRemoved()), len(s.dirs)-1)
}
