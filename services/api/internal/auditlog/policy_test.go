package auditlog

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a mistake in a policy is reported with its line and with what would be right.
// Method: one mistake a case.
func TestPolicyMistakesNameTheLine(t *testing.T) {
	for _, mistake := range []struct{ text, want string }{
		{"", "line 1: it has no rules"},
		{"rules: []", "line 1: it has no rules"},
		{"rules:\n- level: everything\n", `line 2: "everything" is no level: none, metadata or request`},
		{"rules:\n- level: none\n- user: root\n", "line 3: the rule has no level"},
		{"rules:\n- level: none\n  users: root\n", `line 3: a rule has no "users"`},
		{"rules:\n- level: none\n  method:\n  - Put\n  - Puts\n", `line 5: no method is called "Puts"`},
		{"rules:\n- level: none\n  prefix: []\n", "line 3: an empty list"},
		{"rules:\n- level: none\nrule: 1\n", `line 3: there is no "rule", only rules`},
		{"rules:\n - level: none\n- x", "line 3"},
		{"rules:\n- level: none\n  user: [a\n  role: b\n", "line 3"},
		{"rules:\n- level: none\n  user: {a: b}\n", "line 3: a text is wanted, or a list of texts"},
		{"rules:\n- level: none\n  user: [a, [b]]\n", "line 3: a text is wanted, or a list of texts"},
		{"rules: 7\n", "line 1"},
		{"[]", "line 1"},
	} {
		_, err := ParsePolicy([]byte(mistake.text))
		require.ErrorContains(t, err, mistake.want, mistake.text)
	}
}

// Goal: the first rule that matches decides, by user, role, method and prefix, and a prefix matches only what lies in it wholly.
// Method: one policy, and requests beside and on the edges of its rules.
func TestFirstRuleThatMatchesDecides(t *testing.T) {
	p, err := ParsePolicy([]byte(`
rules:
- {user: kubelet, method: [KV/Range, v2/GET], prefix: [/registry/leases/, /registry/events/], level: none}
- {role: operator, level: request}
- {method: "Lease*", level: none}
- {user: "", level: request}
- {method: Txn, level: metadata}
`))
	require.NoError(t, err)
	require.True(t, p.roles)
	p.rest = LevelRequest
	const kv = "etcdserverpb.KV/"
	leases := []span{{key: []byte("/registry/leases/a")}}
	for _, c := range []struct {
		name    string
		subject subject
		roles   []string
		want    Level
		silent  bool
	}{
		{"all match", subject{user: "kubelet", method: kv + "Range", spans: leases}, nil, LevelNone, true},
		{"v2 has names too", subject{user: "kubelet", method: "v2/GET", spans: leases}, nil, LevelNone, true},
		{"who only says to be one", subject{user: "kubelet", claimed: true, method: "v2/GET", spans: leases}, nil, LevelNone, false},
		{"who only says so, and is not named", subject{user: "kubelet", claimed: true, method: "etcdserverpb.Lease/LeaseGrant"}, nil, LevelNone, true},
		{"another method", subject{user: "kubelet", method: kv + "Put", spans: leases}, nil, LevelRequest, false},
		{"no range", subject{user: "kubelet", method: kv + "Range"}, nil, LevelRequest, false},
		{"one range is outside", subject{user: "kubelet", method: kv + "Range", spans: append(leases, span{key: []byte("/x")})}, nil, LevelRequest, false},
		{"a range reaches beyond", subject{user: "kubelet", method: kv + "Range", spans: []span{{key: []byte("/registry/leases/"), end: []byte("/registry/leases1")}}}, nil, LevelRequest, false},
		{"a range to the end", subject{user: "kubelet", method: kv + "Range", spans: []span{{key: []byte("/registry/leases/"), end: []byte{0}}}}, nil, LevelRequest, false},
		{"the whole prefix", subject{user: "kubelet", method: kv + "Range", spans: []span{{key: []byte("/registry/leases/"), end: []byte("/registry/leases0")}}}, nil, LevelNone, true},
		{"a role", subject{user: "x", method: kv + "Txn"}, []string{"a", "operator"}, LevelRequest, false},
		{"a pattern", subject{user: "x", method: "etcdserverpb.Lease/LeaseGrant"}, nil, LevelNone, true},
		{"nobody", subject{user: "", method: kv + "Txn"}, nil, LevelRequest, false},
		{"the last rule", subject{user: "x", method: kv + "Txn"}, nil, LevelMetadata, false},
	} {
		c.subject.roles = func() []string { return c.roles }
		level, silent := p.level(&c.subject)
		require.Equal(t, c.want, level, c.name)
		require.Equal(t, c.silent, silent, c.name)
	}
}

// Goal: settings that cannot work are refused with the flag, its value and what would do.
// Method: one mistake a case, in values and in files.
func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	require.NoError(t, os.WriteFile(short, []byte("secret\n"), 0o600))
	bad := filepath.Join(dir, "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("rules:\n- level: some\n"), 0o600))
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{File: "x", Level: "all"}, `--audit-level=all: "all" is no level`},
		{Config{File: "x", Mode: "wait"}, `--audit-mode=wait: is "blocking" or "drop"`},
		{Config{File: "x", Mode: ModeDrop, Sync: true}, "--audit-sync=true: has no effect with --audit-mode=drop"},
		{Config{File: "x", RotateBytes: -1}, "--audit-rotate-bytes=-1: must not be negative"},
		{Config{PolicyFile: "p"}, "--audit-policy=p: has no effect without --audit-log"},
		{Config{File: "x", PolicyFile: dir + "/none"}, "--audit-policy: open " + dir + "/none: no such file"},
		{Config{File: "x", PolicyFile: bad}, "--audit-policy=" + bad + ": line 2: "},
		{Config{File: "x", HMACKeyFile: dir + "/none"}, "--audit-hmac-key-file: open"},
		{Config{File: "x", HMACKeyFile: short}, "the key has 6 bytes; it needs 16"},
		{Config{File: dir}, "--audit-log: open " + dir},
	} {
		_, err := Open(c.config)
		require.ErrorContains(t, err, c.want)
	}
	auditor, err := Open(Config{})
	require.NoError(t, err)
	require.Nil(t, auditor, "off costs nothing")
}
