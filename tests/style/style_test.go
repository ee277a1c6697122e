package style

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// fileLinesMax is where a file stops being one idea.
	fileLinesMax = 600
	// functionLinesMax is what fits a tall screen.
	functionLinesMax = 80
)

// longFiles and longFunctions are the exceptions, by path and by path:Receiver.name. Shorten a list, never lengthen it without
// a reason beside the line.
var (
	longFiles     = map[string]bool{}
	longFunctions = map[string]bool{}
)

// Goal: packages are named for what they hold. Method: names that say nothing are refused.
func TestPackageNamesSayWhatTheyHold(t *testing.T) {
	refused := map[string]bool{
		"util": true, "utils": true, "common": true, "helper": true, "helpers": true, "types": true, "base": true,
		"misc": true, "shared": true, "constants": true, "lib": true, "core": true,
	}
	for _, f := range load(t).written() {
		name := strings.TrimSuffix(f.name, "_test")
		assert.False(t, refused[name], "%s: package %s", f.path, name)
	}
}

// Goal: a reader learns from a package's first sentence what it is for. Method: each package has one doc comment or more, which
// begins as Go's do.
func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range load(t).written() {
		if strings.HasSuffix(f.name, "_test") {
			continue
		}
		doc := f.syntax.Doc.Text()
		// A package main is introduced by its command's name.
		good := strings.HasPrefix(doc, "Package "+f.name+" ") || (f.name == "main" && doc != "")
		documented[f.dir()] = documented[f.dir()] || good
	}
	for dir, ok := range documented {
		assert.True(t, ok, "%s has no package comment that begins with its name", dir)
	}
}

// Goal: files and functions stay short enough to be read. Method: count lines; the exceptions are listed, and must be needed.
func TestFilesAndFunctionsAreShort(t *testing.T) {
	r := load(t)
	needed := map[string]bool{}
	for _, f := range r.written() {
		if f.lines > fileLinesMax {
			needed[f.path] = true
			assert.True(t, longFiles[f.path], "%s has %d lines, more than %d", f.path, f.lines, fileLinesMax)
		}
		for _, decl := range f.syntax.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok || function.Body == nil {
				continue
			}
			lines := r.fset.Position(function.End()).Line - r.fset.Position(function.Pos()).Line + 1
			if lines > functionLinesMax {
				name := f.path + ":" + functionName(function)
				needed[name] = true
				assert.True(t, longFunctions[name], "%s has %d lines, more than %d", name, lines, functionLinesMax)
			}
		}
	}
	for path := range longFiles {
		assert.True(t, needed[path], "%s is short now: take it off the list of long files", path)
	}
	for name := range longFunctions {
		assert.True(t, needed[name], "%s is short now: take it off the list of long functions", name)
	}
}

func functionName(function *ast.FuncDecl) string {
	if function.Recv == nil || len(function.Recv.List) == 0 {
		return function.Name.Name
	}
	receiver := function.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if index, ok := receiver.(*ast.IndexExpr); ok {
		receiver = index.X
	}
	if ident, ok := receiver.(*ast.Ident); ok {
		return ident.Name + "." + function.Name.Name
	}
	return function.Name.Name
}

// Goal: what is left to do is in the list of issues, not in the code. Method: no comment carries a mark of unfinished work.
func TestNothingIsLeftToDo(t *testing.T) {
	mark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)
	for _, f := range load(t).written() {
		for _, group := range f.syntax.Comments {
			assert.NotRegexp(t, mark, group.Text(), f.path)
		}
	}
}

// Goal: tests wait for what they need, not for time to pass. Method: no test file calls time.Sleep.
func TestNoTestSleeps(t *testing.T) {
	for _, f := range load(t).written() {
		if !f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := selector.X.(*ast.Ident); ok {
					assert.False(t, pkg.Name == "time" && selector.Sel.Name == "Sleep", "%s sleeps", f.path)
				}
			}
			return true
		})
	}
}

// Goal: the top level stays a table of contents. Method: no Go code lies at the root.
func TestNoGoAtTheRoot(t *testing.T) {
	for _, f := range load(t).files {
		assert.Contains(t, f.path, "/", "Go code at the root")
	}
}

// Goal: each service says what it is for and which goroutines it runs. Method: its DESIGN.md exists and has a goroutine table.
func TestEveryServiceHasADesign(t *testing.T) {
	r := load(t)
	services, err := filepath.Glob(filepath.Join(r.root, "services", "*", "go.mod"))
	require.NoError(t, err)
	require.NotEmpty(t, services)
	for _, mod := range services {
		design, err := os.ReadFile(filepath.Join(filepath.Dir(mod), "DESIGN.md"))
		if assert.NoError(t, err, "every service explains itself") {
			assert.Contains(t, strings.ToLower(string(design)), "goroutine", mod)
		}
	}
}
