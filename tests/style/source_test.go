package style

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ours is what every import path of ours begins with.
const ours = "github.com/quoratedb/quorate/"

// file is one parsed Go file of the repository.
type file struct {
	path      string // from the root, with slashes
	name      string // of its package
	lines     int
	test      bool
	generated bool
	imports   []string
	syntax    *ast.File
}

// dir is the folder of the file's package, from the root; ours before it gives the import path.
func (f *file) dir() string {
	return strings.TrimSuffix(f.path[:strings.LastIndex("/"+f.path, "/")], "/")
}

// module is the module that the file belongs to.
func (f *file) module() string {
	parts := strings.Split(f.path, "/")
	if (parts[0] == "services" || parts[0] == "deploy") && len(parts) > 2 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// repository is all Go code of the repository.
type repository struct {
	root  string
	fset  *token.FileSet
	files []*file
}

// load parses every Go file under the repository's root, whatever its build tags are, except below bin and hidden folders.
func load(t *testing.T) *repository {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	r := &repository{root: root, fset: token.NewFileSet()}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || rel == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(r.fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		f := &file{
			path:      filepath.ToSlash(rel),
			name:      syntax.Name.Name,
			lines:     r.fset.File(syntax.FileStart).LineCount(),
			test:      strings.HasSuffix(rel, "_test.go"),
			generated: ast.IsGenerated(syntax),
			syntax:    syntax,
		}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		r.files = append(r.files, f)
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, r.files)
	return r
}

// written are the files that people wrote.
func (r *repository) written() []*file {
	var files []*file
	for _, f := range r.files {
		if !f.generated {
			files = append(files, f)
		}
	}
	return files
}
