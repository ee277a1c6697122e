package ctl

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// do is a step without input: the words of a line.
func do(line string) step { return step{args: strings.Fields(line)} }

// given is do with a standard input.
func given(stdin, line string) step { return step{args: strings.Fields(line), stdin: stdin} }

// keep is do that keeps what the expression finds.
func keep(name, find, line string) step {
	return step{args: strings.Fields(line), save: name, find: find}
}

// unlike is a step whose outputs are bytes that differ between servers.
func unlike(s step) step {
	s.unlike = true
	return s
}

const hexID = `\b([0-9a-f]{13,16})\b`

// steps are carried out in this order: each finds what those before it have left.
var steps = []step{
	// Keys.
	do("put k1 v1"), given("from stdin\n", "put k2"), do("put k1 v2 --prev-kv"), do("put k1 --ignore-value"), do("get k1 k3"), do("get k --prefix --print-value-only"),
	do("get k --prefix --count-only -w fields"), do("get k --prefix --count-only"), do("get k --prefix --keys-only --order=DESCEND --sort-by=MODIFY"), do("get k1 --rev=2 -w json"),
	do("get --from-key k2 --hex"), do("get k --prefix --stream"), do("get k1 --rev=99"), do("get k1 -w table"), unlike(do("put k1 v3 -w protobuf")), do("put k9 x --lease=5"), do("del k1 --prev-kv"), do("del k --prefix"),
	{args: []string{"get", ""}},
	{args: []string{"get", "", "--prefix"}},
	// Transactions and watches.
	given("val(\"a\") = \"x\"\n\nput a 1\n\nput a \"2 3\"\nget a\ndel b\n\n", "txn -i"), given("ver(\"a\") > \"0\"\n\nget a\nput a z --prev-kv\n\n\n", "txn -w json"), given("ver(\"a\") > \"0\"\n\n", "txn"), given("nonsense\n\n\n\n", "txn"), given("\nputs a b\n\n\n", "txn"),
	{args: []string{"watch", "a", "--rev=1", "--prev-kv", "--", "sh", "-c", "exit 3"}},
	{args: []string{"watch", "a", "--rev=1", "--prefix", "--", "sh", "-c", "env | grep ETCD_WATCH_ | sort; exit 3"}},
	{args: []string{"watch", "--rev=1", "-w=json", "--", "false"}, env: []string{"ETCDCTL_WATCH_KEY=a"}},
	{args: []string{"watch", "-i"}, stdin: "watch a --rev 1\nnonsense\n", until: "\nz\n", unlike: true},
	do("compaction 3"), do("compaction 3"), do("compaction --physical 4"), do("watch a --rev=1"),
	// Leases, locks, elections.
	keep("LEASE", hexID, "lease grant 1000"), do("put l v --lease=$LEASE"), do("lease timetolive $LEASE --keys"), do("lease list"), do("lease keep-alive --once $LEASE"), do("lease list -w table"), do("lease revoke $LEASE -w protobuf"), do("lease revoke $LEASE"), do("lease keep-alive --once $LEASE"), do("lease keep-alive $LEASE"), do("lease timetolive $LEASE"),
	{args: []string{"lock", "name", "--", "sh", "-c", "env | grep ETCD_LOCK_ | sort; exit 7"}},
	{args: []string{"lock", "name"}, until: "name/"},
	{args: []string{"elect", "e", "me"}, until: "me"},
	// Members.
	do("endpoint health"), do("endpoint status"), do("endpoint status -w json"), do("endpoint status -w table"), do("endpoint status --cluster -w fields"), do("endpoint hashkv -w fields"), do("endpoint hashkv --rev=99"), do("endpoint health -w protobuf"), keep("MEMBER", hexID, "member list"), do("member list -w table"), do("member list -w json --hex"), do("member remove 1"), do("member promote $MEMBER"), do("member update $MEMBER"), do("move-leader $MEMBER"), do("move-leader 1"),
	do("alarm list"), do("alarm disarm"), do("defrag"), do("defrag --cluster"), do("snapshot save /nonexistent/file"), do("downgrade cancel"), do("downgrade validate 3.6.0"),
	// Users and roles.
	do("role add r"), do("role grant-permission r readwrite foo --prefix"), do("role grant-permission r read a b"),
	{args: []string{"role", "grant-permission", "r", "write", "", "--from-key"}},
	do("role get r"), do("role revoke-permission r a b"), do("role revoke-permission r a b"), do("role list"), do("role grant-permission r rx a"), do("role get x"),
	do("user add u:p"), do("user add v --new-user-password=p"), do("user add w --no-password"), given("secret\n", "user add x --interactive=false"), given("a\na\n", "user passwd u"), given("a\nb\n", "user passwd u"), do("user grant-role u r"), do("user get u --detail"), do("user get u -w fields"), do("user list"), do("user add u:p"), do("user delete x"),
	do("user add root:p"), do("auth enable"), do("auth status"), do("get foo"), do("get foo --user=u:wrong"), do("get foo --user=u:a"), given("a\n", "put foo x --user=u"), do("put bar x --user=u --password=a"), do("endpoint health --user=u:a"), do("auth disable --user=root:p"), do("auth disable"),
}

// Goal: quoratectl stands in etcdctl's place. Method: a long session, with each tool on a fresh server of its own; each command line must print the same, but
// for ids, times and sizes, and end with the same code. What fails must say why in a line of the same form; its words may be ours.
func TestSession(t *testing.T) {
	t.Parallel()
	theirs, ours := tools(t)
	theirs.server, ours.server = harness.Run(t, "--bcrypt-cost=4"), harness.Run(t, "--bcrypt-cost=4") // a log-in has two seconds
	for _, s := range steps {
		their, our := theirs.run(t, s), ours.run(t, s)
		line := strings.Join(s.args, " ")
		assert.Equal(t, their.code, our.code, "%s\netcdctl: %s\nquoratectl: %s", line, their.stderr, our.stderr)
		if !s.unlike {
			assert.Equal(t, masked(their.stdout), masked(our.stdout), line)
		}
		assert.Equal(t, errorLine.MatchString(their.stderr), errorLine.MatchString(our.stderr), "%s\netcdctl: %s\nquoratectl: %s", line, their.stderr, our.stderr)
	}
}

var goesOn = regexp.MustCompile(`\n {10,}`)

// Goal: the global flags are etcdctl's. Method: their names, types and defaults as "options" lists them; the words beside them are ours, and their
// lines, which go on further to the right than where a flag begins.
func TestOptions(t *testing.T) {
	t.Parallel()
	theirs, ours := tools(t)
	names := func(text string) (names []string) {
		for line := range strings.Lines(goesOn.ReplaceAllString(text, " ")) {
			if fields := strings.Fields(line); len(fields) > 0 && strings.HasPrefix(fields[0], "-") {
				name := fields[0]
				if strings.HasSuffix(name, ",") {
					name += fields[1]
				}
				if _, value, found := strings.Cut(line, "(default "); found {
					name += " " + strings.TrimSpace(value)
				}
				names = append(names, name)
			}
		}
		return names
	}
	want := names(theirs.run(t, do("options")).stdout)
	require.NotEmpty(t, want)
	require.Equal(t, want, names(ours.run(t, do("options")).stdout))
}

// Goal: who cannot connect is told why. Method: an endpoint where nobody listens.
func TestHintSaysWhy(t *testing.T) {
	t.Parallel()
	_, ours := tools(t)
	failed := ours.run(t, step{args: []string{"get", "k", "--command-timeout=1s"}, env: []string{"ETCDCTL_ENDPOINTS=127.0.0.1:1"}})
	require.Equal(t, 1, failed.code)
	require.Regexp(t, `^Error: context deadline exceeded\nHint: .*127\.0\.0\.1:1.*connection refused`, failed.stderr)
}
