package style

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Goal: the architecture document names what there is. Method: each name in it with a dot, as package.Name or
// package.Type.Name, is declared in a package of that name, and each path in it exists.
func TestArchitectureNamesWhatThereIs(t *testing.T) {
	r := load(t)
	declared := map[string]bool{}
	for _, f := range r.files {
		if !f.test {
			for _, name := range declarations(f.syntax) {
				declared[f.name+"."+name] = true
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(r.root, "docs", "ARCHITECTURE.md"))
	require.NoError(t, err)
	name := regexp.MustCompile(`^[a-z0-9]+(\.[A-Za-z]\w*)+$`)
	place := regexp.MustCompile(`^(pkg|services|proto|tests|docs)/[\w./-]+$`)
	found := 0
	for _, quoted := range regexp.MustCompile("`[^`]+`").FindAllString(string(text), -1) {
		quoted = strings.Trim(quoted, "`")
		switch {
		case place.MatchString(quoted):
			_, err := os.Stat(filepath.Join(r.root, filepath.FromSlash(quoted)))
			assert.NoError(t, err)
		case name.MatchString(quoted) && !strings.HasSuffix(quoted, ".go") && !strings.HasSuffix(quoted, ".md"):
			found++
			assert.True(t, declared[quoted], "docs/ARCHITECTURE.md names %s, which is not there", quoted)
		}
	}
	require.Greater(t, found, 30, "the names are not found any more")
}

// Goal: the map of the tests is whole. Method: each folder within a group of it has a line in tests/README.md, and each line a folder.
func TestMapOfTestsIsWhole(t *testing.T) {
	tests := filepath.Join(load(t).root, "tests")
	text, err := os.ReadFile(filepath.Join(tests, "README.md"))
	require.NoError(t, err)
	var mapped []string
	for _, found := range regexp.MustCompile("(?m)^\\| (?:\\*\\*)?`([a-z0-9/]+)`").FindAllStringSubmatch(string(text), -1) {
		mapped = append(mapped, found[1])
	}
	var there []string
	for _, group := range []string{"", "clients", "members", "faults", "etcd"} {
		folders, err := os.ReadDir(filepath.Join(tests, group))
		require.NoError(t, err)
		for _, folder := range folders {
			if folder.IsDir() {
				there = append(there, path.Join(group, folder.Name()))
			}
		}
	}
	require.ElementsMatch(t, there, mapped)
}

// declarations are the names that a file declares at the package's level, methods as Type.Name.
func declarations(syntax *ast.File) (names []string) {
	for _, decl := range syntax.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			names = append(names, functionName(d))
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok && d.Tok == token.TYPE {
					names = append(names, s.Name.Name)
				}
			}
		}
	}
	return names
}
