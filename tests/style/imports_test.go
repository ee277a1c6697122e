package style

import (
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// never holds, for each module, the import paths (and what lies below them) that its product code may not reach, be it
// through other packages of ours. It is the "never" column of the architecture.
var never = map[string][]string{
	"pkg": {
		ours + "services",
		"github.com/cockroachdb/pebble", "go.etcd.io/raft", "github.com/nats-io", "google.golang.org/grpc", "go.etcd.io/etcd",
	},
	"services/consensus": {
		"github.com/nats-io", "google.golang.org/grpc", "go.etcd.io/etcd",
		ours + "services/lease", ours + "services/watch", ours + "services/api", ours + "services/quorate",
	},
	"services/lease": {
		"github.com/cockroachdb/pebble", "go.etcd.io/raft", "github.com/nats-io", "google.golang.org/grpc", "go.etcd.io/etcd",
		ours + "services/consensus", ours + "services/watch", ours + "services/api", ours + "services/quorate",
	},
	"services/watch": {
		"github.com/cockroachdb/pebble", "go.etcd.io/raft", "google.golang.org/grpc", "go.etcd.io/etcd",
		ours + "services/consensus", ours + "services/lease", ours + "services/api", ours + "services/quorate",
	},
	"services/api": {
		"github.com/cockroachdb/pebble", "go.etcd.io/raft", "github.com/nats-io",
		ours + "services/consensus", ours + "services/lease", ours + "services/watch", ours + "services/quorate",
	},
	"services/console": {
		"github.com/cockroachdb/pebble", "go.etcd.io/raft", "github.com/nats-io",
		ours + "services/consensus", ours + "services/lease", ours + "services/watch", ours + "services/api", ours + "services/quorate", ours + "services/ctl",
	},
	"services/quorate": {},
	"services/ctl": {
		"go.etcd.io/etcd/etcdctl", "go.etcd.io/etcd/etcdutl", "go.etcd.io/etcd/server", "go.etcd.io/etcd/pkg", "go.etcd.io/etcd/tests", "go.etcd.io/etcd/v3",
		ours + "services/lease", ours + "services/watch", ours + "services/api", ours + "services/quorate", ours + "tests",
		ours + "services/consensus/peer", ours + "services/consensus/remote", ours + "services/consensus/rpc",
	},
	"deploy/check": {ours + "pkg", ours + "services", ours + "deploy/stack"},
	"deploy/stack": {ours + "services", "github.com/cockroachdb/pebble", "go.etcd.io", "github.com/nats-io", "google.golang.org/grpc"},
}

// messages are the packages of etcd's that all may import: its key-values are ours, from the store to the client, and its users and
// roles are what snapshots have.
var messages = []string{"go.etcd.io/etcd/api/v3/mvccpb", "go.etcd.io/etcd/api/v3/authpb"}

// readers are packages whose subject is what an etcd has written, with the messages of etcd's that it is in.
var readers = map[string][]string{
	ours + "services/consensus/internal/etcdreplay": {"go.etcd.io/etcd/api/v3/etcdserverpb", "go.etcd.io/etcd/api/v3/membershippb"},
}

// everywhere is what no product code may reach: etcd's behaviour is a fact to match, its code is not ours.
var everywhere = []string{"go.etcd.io/etcd/server", "go.etcd.io/etcd/client", "go.etcd.io/etcd/tests", "go.etcd.io/etcd/pkg", ours + "tests"}

// clientTools are the modules whose product is a client: they may use etcd's client, for which everywhere does not count. etcd's own
// tools stay out by their line in never: what those do is a fact to match, too.
var clientTools = map[string]bool{"services/ctl": true}

// Goal: the arrows between modules point the way that the architecture says. Method: follow the imports of every
// product package through our own packages and compare what is reached with the table.
func TestModulesImportOnlyWhatTheyMay(t *testing.T) {
	r := load(t)
	imports := map[string]map[string]bool{} // of one package of ours
	modules := map[string][]string{}
	for _, f := range r.files {
		if f.test {
			continue
		}
		path := ours + f.dir()
		if imports[path] == nil {
			imports[path] = map[string]bool{}
			modules[f.module()] = append(modules[f.module()], path)
		}
		for _, imported := range f.imports {
			imports[path][imported] = true
		}
	}
	for module, packages := range modules {
		if module == "tests" {
			continue
		}
		banned, known := never[module]
		if !assert.True(t, known, "module %s has no line in the table of what it may never import", module) {
			continue
		}
		if !clientTools[module] {
			banned = append(append([]string{}, banned...), everywhere...)
		}
		sort.Strings(packages)
		for _, path := range packages {
			for reached, by := range reach(imports, path) {
				if slices.Contains(messages, reached) || slices.Contains(readers[by], reached) {
					continue
				}
				for _, b := range banned {
					assert.False(t, reached == b || strings.HasPrefix(reached, b+"/"), "%s may never import %s, reached through %s", path, reached, by)
				}
			}
		}
	}
}

// Goal: nobody imports the tests module. Method: no file outside it names it.
func TestNothingImportsTheTests(t *testing.T) {
	for _, f := range load(t).files {
		for _, imported := range f.imports {
			if f.module() != "tests" {
				assert.False(t, strings.HasPrefix(imported, ours+"tests"), "%s imports %s", f.path, imported)
			}
		}
	}
}

// reach returns every import path that the package reaches through packages of ours, each with the last of ours on the way.
func reach(imports map[string]map[string]bool, path string) map[string]string {
	reached := map[string]string{}
	queue := []string{path}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for imported := range imports[at] {
			if _, seen := reached[imported]; !seen {
				reached[imported] = at
				queue = append(queue, imported)
			}
		}
	}
	return reached
}
