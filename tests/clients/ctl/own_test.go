package ctl

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// own is our tool with a server of ours, and what carries its command lines out.
func own(t *testing.T) (*tool, func(code int, args ...string) result) {
	t.Helper()
	if harness.IsPeer() {
		t.Skip("etcd has no such services")
	}
	t.Parallel()
	_, ours := tools(t)
	ours.server = harness.Run(t)
	return ours, func(code int, args ...string) result {
		t.Helper()
		r := ours.run(t, step{args: args})
		require.Equal(t, code, r.code, "%v printed %q and %q", args, r.stdout, r.stderr)
		return r
	}
}

// Goal: a person sees what is below a prefix and what a key was, changes a key in an editor without overwriting others, and sets quotas; no colours
// are in what is no terminal. Method: a session with our commands.
func TestPeoplesWords(t *testing.T) {
	ours, run := own(t)
	for _, kv := range []string{"/app/a/x 1", "/app/a/y 22", "/app/b 333", "/plain v", "/plain w"} { // revisions 2 to 6
		run(0, append([]string{"put"}, strings.Fields(kv)...)...)
	}
	require.Equal(t, strings.Join([]string{
		"/  (4 keys, 35 B)", "├── app/  (3 keys, 28 B)", "│   ├── a/  (2 keys, 19 B)", "│   └── b  (rev 4, 9 B)", "└── plain  (rev 6, 7 B)", "",
	}, "\n"), run(0, "tree", "/").stdout)
	require.Contains(t, run(0, "tree", "--rev=3").stdout, "app/  (2 keys")
	require.Contains(t, run(0, "tree", "/app/", "--limit=1").stdout, "... more")
	var tree struct{ Keys int64 }
	require.NoError(t, json.Unmarshal([]byte(run(0, "tree", "-w=json").stdout), &tree))
	require.Equal(t, int64(4), tree.Keys)

	run(0, "del", "/plain")
	history := run(0, "history", "/plain", "--diff").stdout
	require.Regexp(t, `(?s)^ +7  20\d\d-.*deleted\n.* +6  20.*version 2, 1 B\n.*-v\n\+w\n +5  20.*created, 1 B\n$`, history)
	require.NotContains(t, history, "\x1b")
	run(0, "compaction", "6")
	require.Contains(t, run(0, "history", "/plain").stdout, "is compacted (up to revision 6)")
	require.Contains(t, run(1, "history", "/nothing").stderr, `"/nothing" has no history`)

	editor := func(script string) step {
		return step{args: []string{"edit", "/app/b"}, env: []string{"VISUAL=", "EDITOR=sh -c '" + script + "'", "TMPDIR=" + t.TempDir()}}
	}
	saved := ours.run(t, editor(`echo new >$0`))
	require.Zero(t, saved.code, saved.stderr)
	require.Contains(t, saved.stdout, "-333\n+new\nWritten at revision 8\n")
	require.Equal(t, "new\n", run(0, "get", "/app/b", "--print-value-only").stdout)
	require.Contains(t, ours.run(t, editor(`true`)).stdout, "Nothing was changed")
	require.Contains(t, ours.run(t, editor(`false`)).stderr, "has failed")
	conflict := ours.run(t, editor(fmt.Sprintf(`echo mine >$0; %s put /app/b theirs >/dev/null`, ours.program)))
	require.Equal(t, 1, conflict.code)
	require.Regexp(t, `(?s)^Error: "/app/b" was changed by somebody else.*began with.*  new\n.*Theirs.*\+theirs\n.*Mine\n.*\+mine\n.*Mine is in `, conflict.stderr)
	require.Equal(t, "theirs\n", run(0, "get", "/app/b", "--print-value-only").stdout)
	run(0, "quota", "set", "/app/", "--hard-keys=3", "--soft-bytes=1KiB")
	require.Contains(t, run(0, "quota", "list").stdout, `"/app/"  keys 3 (hard 3)`)
	require.Contains(t, run(1, "put", "/app/c", "x").stderr, "prefix quota exceeded")
	run(0, "quota", "delete", "/app/")
	require.Contains(t, run(1, "quota", "get", "/app/").stderr, `there is no quota of the prefix "/app/"`)
	require.Contains(t, run(0, "__complete", "get", "/app").stdout, "/app/\n")
	watched := ours.run(t, step{args: []string{"watch", "/app/b", "--rev=8", "--diff", "--times"}, until: "+theirs"})
	require.Regexp(t, `(?s)20\d\d-.*revision 8  PUT  "/app/b"\n.*20.*revision 9  PUT.*-new\n\+theirs\n`, watched.stdout)
}

// Goal: what was exported is imported byte by byte, also where both were broken off, and keys that are there are overwritten only if that was asked for. Method: more
// keys than a page, binary ones too, to a file that is cut and gone on with, into another server, twice.
func TestExportAndImport(t *testing.T) {
	ours, run := own(t)
	ctx := harness.Context(t)
	client := harness.Client(t, ours.server)
	for i := range 350 {
		_, err := client.Put(ctx, fmt.Sprintf("/k/%03d", i), fmt.Sprintf("value %d \xff", i))
		require.NoError(t, err)
	}
	_, err := client.Put(ctx, "\xfe\x00", "binary key")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "keys.jsonl")
	run(0, "export", file)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 351+2, strings.Count(string(whole), "\n"))
	require.Contains(t, run(6, "export", file).stderr, "is there already")

	require.NoError(t, os.WriteFile(file+".part", whole[:len(whole)/2], 0o600))
	require.NoError(t, os.Remove(file))
	run(0, "put", "/k/later", "is not of that revision")
	require.Contains(t, run(0, "export", file).stderr, "Going on after")
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(whole), string(again))

	other := &tool{program: ours.program, server: harness.Run(t)}
	into := harness.Client(t, other.server)
	_, err = into.Put(ctx, "/k/007", "mine")
	require.NoError(t, err)
	imported := other.run(t, step{args: []string{"import", file}})
	require.Equal(t, 1, imported.code)
	require.Contains(t, imported.stderr, `"/k/007" is there with another value`)
	imported = other.run(t, step{args: []string{"import", file, "--existing=skip"}})
	require.Zero(t, imported.code, imported.stderr)
	require.Contains(t, imported.stderr, "1 with another value were skipped")
	imported = other.run(t, step{args: []string{"import", "-", "--existing=overwrite"}, stdin: string(whole)})
	require.Zero(t, imported.code, imported.stderr)
	require.Contains(t, imported.stderr, "1 keys written, 350 were there as they are")
	cut := other.run(t, step{args: []string{"import", "-"}, stdin: string(whole[:len(whole)-len("{\"keys\":351,\"end\":true}\n")])})
	require.Equal(t, 3, cut.code)
	require.Contains(t, cut.stderr, "it is not whole")
	copied := filepath.Join(t.TempDir(), "copy.jsonl")
	require.Zero(t, other.run(t, step{args: []string{"export", copied}}).code)
	theirs, err := os.ReadFile(copied)
	require.NoError(t, err)
	require.Equal(t, keysOf(t, whole), keysOf(t, theirs))
}

// keysOf are the keys and values of an export.
func keysOf(t *testing.T, file []byte) (lines []string) {
	t.Helper()
	for raw := range strings.Lines(string(file)) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(raw), &l))
		if l["quorate_export"] == nil && l["end"] == nil {
			lines = append(lines, fmt.Sprint(l["key"], l["key_base64"], l["value"], l["value_base64"]))
		}
	}
	return lines
}

// Goal: bench measures and leaves nothing behind, doctor's exit code says whether there is something to do, top without a terminal prints one screen, and a dead
// endpoint at the head of the list costs no wait. Method: each once, short.
func TestOperatorsWords(t *testing.T) {
	ours, run := own(t)
	for _, kind := range []string{"put", "range", "txn", "watch", "lease"} {
		args := []string{"bench", kind, "--total=100", "--clients=4", "--connections=2"}
		if kind == "put" {
			args = append(args, "--rate=1000")
		}
		require.Regexp(t, `(?s)request +count.*p99\.9.* 100 `, run(0, args...).stdout, kind)
	}
	require.Contains(t, run(0, "tree").stdout, "(0 keys")
	doctor := run(0, "doctor").stdout
	require.Contains(t, doctor, "there is one voting member")
	require.Contains(t, doctor, "0 problems")
	if !strings.Contains(doctor, "to say how it is") { // for longer than it should: the machine has more to do
		require.Contains(t, doctor, "0 warnings")
	}
	bare := &tool{program: ours.program}
	sick := bare.run(t, do("doctor --command-timeout=1s --endpoints=127.0.0.1:1"))
	require.Equal(t, 1, sick.code)
	require.Contains(t, sick.stdout, "no endpoint could be reached")
	require.Contains(t, run(0, "top", "--interval=300ms").stdout, "leader")

	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never says anything
	require.NoError(t, err)
	defer silent.Close()
	// Who waited for one of the others would do so for longer than run does.
	dead := bare.run(t, do("put k v --dial-timeout=1m --command-timeout=1m --endpoints=127.0.0.1:1,"+silent.Addr().String()+","+ours.server.Endpoint()))
	require.Zero(t, dead.code, dead.stderr)
}

// Goal: on an etcd, words that need services of ours say so. Method: each on etcd's server.
func TestOwnWordsOnEtcd(t *testing.T) {
	t.Parallel()
	_, ours := tools(t)
	binary, err := harness.Peer("etcd")
	require.NoError(t, err)
	etcd := harness.New(harness.Config{Binary: binary, DataDir: t.TempDir()})
	require.NoError(t, etcd.Start(harness.Context(t)))
	t.Cleanup(etcd.Kill)
	for _, args := range [][]string{{"tree"}, {"history", "k"}, {"quota", "list"}} {
		r := ours.run(t, step{args: append(args, "--endpoints="+etcd.Endpoint())})
		require.Equal(t, 1, r.code)
		require.Regexp(t, `^Error: .* needs quorate\.v1\.\w+, which the store at .* has not: it is etcd`, r.stderr)
	}
}
