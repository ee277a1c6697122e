package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// ours is what the paths of all our modules begin with.
const ours = "github.com/quoratedb/quorate/"

// products are the folders whose modules others fetch; tests and checks stay at home.
var products = []string{"pkg", "services/consensus", "services/lease", "services/watch", "services/console", "services/api", "services/quorate", "services/ctl", "deploy/stack"}

type goModule struct {
	path, dir, tree string
	needs           []string // paths of ours
}

// load returns the modules in an order in which each comes after those that it needs.
func load(tree string) ([]*goModule, error) {
	var found, ordered []*goModule
	for _, dir := range products {
		file, err := parse(filepath.Join(tree, dir, "go.mod"))
		if err != nil {
			return nil, err
		}
		m := &goModule{path: file.Module.Mod.Path, dir: dir, tree: tree}
		for _, r := range file.Require {
			if strings.HasPrefix(r.Mod.Path, ours) {
				m.needs = append(m.needs, r.Mod.Path)
			}
		}
		found = append(found, m)
	}
	done := map[string]bool{}
	for len(ordered) < len(found) {
		before := len(ordered)
		for _, m := range found {
			if !done[m.path] && !slices.ContainsFunc(m.needs, func(path string) bool { return !done[path] }) {
				done[m.path] = true
				ordered = append(ordered, m)
			}
		}
		if len(ordered) == before {
			return nil, errors.New("modules need each other in a circle, or one that is no product")
		}
	}
	return ordered, nil
}

func parse(name string) (*modfile.File, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(name, data, nil)
}

// release makes the module ask for the others' version, fills its go.sum and puts it into the proxy.
func (m *goModule) release(version, proxy string) error {
	name := filepath.Join(m.tree, m.dir, "go.mod")
	file, err := parse(name)
	if err != nil {
		return err
	}
	for _, replaced := range slices.Clone(file.Replace) {
		if err := file.DropReplace(replaced.Old.Path, replaced.Old.Version); err != nil {
			return err
		}
		// A replacement by a version is a need for it.
		if replaced.New.Version != "" {
			if err := file.AddRequire(replaced.New.Path, replaced.New.Version); err != nil {
				return err
			}
		}
	}
	for _, need := range m.needs {
		if err := file.AddRequire(need, version); err != nil {
			return err
		}
	}
	file.Cleanup()
	text, err := file.Format()
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return err
	}
	// A module is fetched without the rest of the repository.
	licence, err := os.ReadFile(filepath.Join(m.tree, "LICENSE"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.tree, m.dir, "LICENSE"), licence, 0o644); err != nil {
		return err
	}
	if err := m.tidy(proxy); err != nil {
		return err
	}
	return m.put(version, proxy)
}

func (m *goModule) tidy(proxy string) error {
	from, err := goProxy(proxy)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "mod", "tidy")
	cmd.Dir, cmd.Stderr = filepath.Join(m.tree, m.dir), os.Stderr
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOPROXY="+from, "GONOSUMDB="+ours+"*")
	return cmd.Run()
}

// put writes the module as a proxy serves it: go.mod, the zip, and what is known of the version.
func (m *goModule) put(version, proxy string) error {
	escaped, err := module.EscapePath(m.path)
	if err != nil {
		return err
	}
	dir := filepath.Join(proxy, escaped, "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(m.tree, m.dir, "go.mod"))
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, time.Now().UTC()})
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{version + ".mod": text, version + ".info": info, "list": []byte(version + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	out, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	err = zip.CreateFromDir(io.Writer(out), module.Version{Path: m.path, Version: version}, filepath.Join(m.tree, m.dir))
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("zip: %w", err)
	}
	return nil
}
