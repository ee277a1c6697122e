package style

import (
	"fmt"
	"go/ast"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

const (
	// methodsMax is how many methods a type may have, embedded and unexported ones counted: more is more than one job.
	methodsMax = 40
	// knotPart is how much of a package's lines may lie in files that all need each other: more than half is a package
	// that can only be read whole.
	knotPart = 0.5
	// slack is how far below its exception a figure may be before that must be lowered: a few lines more or less move it.
	slack = 2
	// knotLinesMin is the length below which a package is read whole anyway.
	knotLinesMin = 600
)

// wideTypes and knottedPackages are the exceptions, with what they may have at the most. Lower a figure, or take its line away.
var (
	wideTypes       = map[string]int{}
	knottedPackages = map[string]int{}
)

// Goal: a type has one job. Method: the methods of each type's pointer are counted, embedded and unexported ones too.
func TestTypesHaveOneJob(t *testing.T) {
	for _, pkg := range typed(t) {
		scope := pkg.Types.Scope()
		for _, name := range scope.Names() {
			named, ok := scope.Lookup(name).(*types.TypeName)
			if !ok || named.IsAlias() {
				continue
			}
			var methods int
			if types.IsInterface(named.Type()) {
				methods = types.NewMethodSet(named.Type()).Len()
			} else {
				methods = types.NewMethodSet(types.NewPointer(named.Type())).Len()
			}
			key := strings.TrimPrefix(pkg.PkgPath, ours) + "." + name
			judge(t, wideTypes, key, methods, methodsMax, "methods")
		}
	}
}

// Goal: a package can be read file by file. Method: a file needs another if it uses a name that the other declares at the
// package's level; of the files that all reach each other, the largest set holds at most half of the package's lines.
func TestFilesOfAPackageFormNoKnot(t *testing.T) {
	for _, pkg := range typed(t) {
		lines := map[string]int{}
		needs := map[string]map[string]bool{}
		total := 0
		for _, syntax := range pkg.Syntax {
			file := pkg.Fset.File(syntax.FileStart)
			lines[file.Name()] = file.LineCount()
			total += file.LineCount()
			needs[file.Name()] = map[string]bool{}
			ast.Inspect(syntax, func(n ast.Node) bool {
				ident, ok := n.(*ast.Ident)
				if !ok {
					return true
				}
				used := pkg.TypesInfo.Uses[ident]
				if used == nil || used.Parent() != pkg.Types.Scope() {
					return true
				}
				if declared := pkg.Fset.File(used.Pos()).Name(); declared != file.Name() {
					needs[file.Name()][declared] = true
				}
				return true
			})
		}
		if total < knotLinesMin {
			continue
		}
		var largest []string
		size := 0
		for _, knot := range knots(needs) {
			sum := 0
			for _, name := range knot {
				sum += lines[name]
			}
			if len(knot) > 1 && sum > size {
				largest, size = knot, sum
			}
		}
		for i := range largest {
			largest[i] = filepath.Base(largest[i])
		}
		slices.Sort(largest)
		key := strings.TrimPrefix(pkg.PkgPath, ours)
		judge(t, knottedPackages, key, 100*size/total, int(100*knotPart), fmt.Sprintf("%% of its lines in one knot: %v", largest))
	}
}

// judge holds a figure to its limit, or to the exception that stands for it, which may not be larger than it needs to be.
func judge(t *testing.T, exceptions map[string]int, key string, figure, limit int, what string) {
	t.Helper()
	most, excepted := exceptions[key]
	if !excepted {
		assert.LessOrEqual(t, figure, limit, "%s: %d %s", key, figure, what)
		return
	}
	assert.Greater(t, figure, limit, "%s is within the limit now: take it off the list", key)
	assert.LessOrEqual(t, figure, most, "%s: %d %s", key, figure, what)
	assert.LessOrEqual(t, most-figure, slack, "%s is better now: lower its figure to %d", key, figure)
}

// typed are the product's packages, type-checked. Generated ones are left out.
func typed(t *testing.T) []*packages.Package {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	var written []*packages.Package
	for _, module := range []string{"pkg", "services/consensus", "services/lease", "services/watch", "services/api", "services/quorate", "services/ctl", "deploy/stack"} {
		// As go vet does in make lint, so that what was compiled there is used here.
		loaded, err := packages.Load(&packages.Config{
			Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedExportFile |
				packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
			Dir: filepath.Join(root, module),
			Env: append(os.Environ(), "GOWORK=off"),
		}, "./...")
		require.NoError(t, err)
		for _, pkg := range loaded {
			require.Empty(t, pkg.Errors, pkg.PkgPath)
			if !slices.ContainsFunc(pkg.Syntax, ast.IsGenerated) {
				written = append(written, pkg)
			}
		}
	}
	require.NotEmpty(t, written)
	return written
}

// knots are the sets of names of a graph that all reach each other (Tarjan's strongly connected components).
func knots(needs map[string]map[string]bool) [][]string {
	index, low := map[string]int{}, map[string]int{}
	on := map[string]bool{}
	var stack []string
	var found [][]string
	var visit func(string)
	visit = func(name string) {
		index[name] = len(index) + 1
		low[name] = index[name]
		stack = append(stack, name)
		on[name] = true
		for needed := range needs[name] {
			if index[needed] == 0 {
				visit(needed)
				low[name] = min(low[name], low[needed])
			} else if on[needed] {
				low[name] = min(low[name], index[needed])
			}
		}
		if low[name] != index[name] {
			return
		}
		var knot []string
		for {
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			on[last] = false
			knot = append(knot, last)
			if last == name {
				break
			}
		}
		found = append(found, knot)
	}
	for name := range needs {
		if index[name] == 0 {
			visit(name)
		}
	}
	return found
}
