package wires

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// rpc is one row: a request, and what must come of it on every wire.
type rpc struct {
	// method is "Service/Method", path the one in etcd's JSON, below /v3.
	method, path string
	// request is JSON in which $name stands for what an earlier row has kept.
	request string
	// answer is part of the answer in JSON without spaces, by etcd's names; of the first one of a stream.
	answer string
	// refused is the text of the error that is expected instead.
	refused string
	// keep names a field of the answer to keep, "name=field.field".
	keep string
	// token sends the token kept under that name.
	token bool
}

// etcdMethods is in an order in which each row finds what it needs.
var etcdMethods = []rpc{
	{method: "KV/Put", path: "/kv/put", request: `{"key":"YQ==","value":"MQ=="}`, answer: `"revision":"2"`},
	{method: "KV/Range", path: "/kv/range", request: `{"key":"YQ=="}`, answer: `"value":"MQ=="`},
	{method: "KV/RangeStream", path: "/kv/rangestream", request: `{"key":"YQ=="}`, answer: `"value":"MQ=="`},
	{method: "KV/Txn", path: "/kv/txn", request: `{"compare":[{"key":"YQ==","target":"VERSION","version":"1"}],"success":[{"requestPut":{"key":"YQ==","value":"Mg=="}}]}`, answer: `"succeeded":true`},
	{method: "KV/DeleteRange", path: "/kv/deleterange", request: `{"key":"YQ=="}`, answer: `"deleted":"1"`},
	{method: "KV/Compact", path: "/kv/compaction", request: `{"revision":"3"}`, answer: `"revision":"4"`},
	{method: "KV/Range", path: "/kv/range", request: `{}`, refused: "etcdserver: key is not provided"},

	{method: "Watch/Watch", path: "/watch", request: `{"createRequest":{"key":"YQ==","startRevision":"2"}}`, answer: `"created":true`},

	{method: "Lease/LeaseGrant", path: "/lease/grant", request: `{"TTL":"60","ID":"77"}`, answer: `"ID":"77"`},
	{method: "Lease/LeaseKeepAlive", path: "/lease/keepalive", request: `{"ID":"77"}`, answer: `"TTL":"60"`},
	{method: "Lease/LeaseTimeToLive", path: "/lease/timetolive", request: `{"ID":"77"}`, answer: `"grantedTTL":"60"`},
	{method: "Lease/LeaseLeases", path: "/lease/leases", request: `{}`, answer: `"leases":[{"ID":"77"}]`},

	{method: "Lock/Lock", path: "/lock/lock", request: `{"name":"bG9jaw==","lease":"77"}`, answer: `"key":"bG9jay80ZA=="`, keep: "lock=key"},
	{method: "Lock/Unlock", path: "/lock/unlock", request: `{"key":"$lock"}`, answer: `"revision":"6"`},
	{method: "Lock/Lock", path: "/lock/lock", request: `{"name":"bG9jaw==","lease":"78"}`, refused: "etcdserver: requested lease not found"},
	{method: "Election/Leader", path: "/election/leader", request: `{"name":"ZQ=="}`, refused: "election: no leader"},
	{method: "Election/Campaign", path: "/election/campaign", request: `{"name":"ZQ==","lease":"77","value":"bWU="}`, answer: `"rev":"7"`},
	{method: "Election/Proclaim", path: "/election/proclaim", request: `{"leader":{"name":"ZQ==","key":"ZS80ZA==","rev":"7","lease":"77"},"value":"bmV3"}`, answer: `"revision":"8"`},
	{method: "Election/Leader", path: "/election/leader", request: `{"name":"ZQ=="}`, answer: `"value":"bmV3"`},
	{method: "Election/Observe", path: "/election/observe", request: `{"name":"ZQ=="}`, answer: `"value":"bmV3"`},
	{method: "Election/Resign", path: "/election/resign", request: `{"leader":{"name":"ZQ==","key":"ZS80ZA==","rev":"7","lease":"77"}}`, answer: `"revision":"9"`},
	{method: "Election/Proclaim", path: "/election/proclaim", request: `{"leader":{"name":"ZQ==","key":"ZS80ZA==","rev":"7","lease":"77"}}`, refused: "election: not leader"},
	{method: "Election/Resign", path: "/election/resign", request: `{}`, refused: `"leader" field must be provided`},
	{method: "Lease/LeaseRevoke", path: "/lease/revoke", request: `{"ID":"77"}`, answer: `"raftTerm"`},

	{method: "Cluster/MemberList", path: "/cluster/member/list", request: `{}`, answer: `"name"`, keep: "self=members.0.ID"},
	{method: "Cluster/MemberAdd", path: "/cluster/member/add", request: `{"peerURLs":["http://127.0.0.1:1"],"isLearner":true}`, answer: `"isLearner":true`, keep: "added=member.ID"},
	{method: "Cluster/MemberUpdate", path: "/cluster/member/update", request: `{"ID":"$added","peerURLs":["http://127.0.0.1:2"]}`, answer: `"http://127.0.0.1:2"`},
	{method: "Cluster/MemberPromote", path: "/cluster/member/promote", request: `{"ID":"$added"}`, refused: "etcdserver: can only promote a learner member which is in sync with leader"},
	{method: "Cluster/MemberRemove", path: "/cluster/member/remove", request: `{"ID":"$added"}`, answer: `"members":[{"ID":"$self"`},

	{method: "Maintenance/Status", path: "/maintenance/status", request: `{}`, answer: `"leader":"$self"`},
	{method: "Maintenance/Alarm", path: "/maintenance/alarm", request: `{"action":"ACTIVATE","memberID":"$self","alarm":"NOSPACE"}`, answer: `"alarm":"NOSPACE"`},
	{method: "Maintenance/Alarm", path: "/maintenance/alarm", request: `{"action":"GET"}`, answer: `"alarms":[{"memberID":"$self","alarm":"NOSPACE"}]`},
	{method: "KV/Put", path: "/kv/put", request: `{"key":"YQ=="}`, refused: "etcdserver: mvcc: database space exceeded"},
	{method: "Maintenance/Alarm", path: "/maintenance/alarm", request: `{"action":"DEACTIVATE","memberID":"$self","alarm":"NOSPACE"}`, answer: `"alarm":"NOSPACE"`},
	{method: "Maintenance/Alarm", path: "/maintenance/alarm", request: `{"action":"ACTIVATE","memberID":"$self","alarm":"CORRUPT"}`, answer: `"alarm":"CORRUPT"`},
	{method: "KV/Put", path: "/kv/put", request: `{"key":"YQ=="}`, refused: "etcdserver: corrupt cluster"},
	{method: "Maintenance/Alarm", path: "/maintenance/alarm", request: `{"action":"GET","alarm":"CORRUPT"}`, answer: `"alarms":[{"memberID":"$self","alarm":"CORRUPT"}]`},
	{method: "Maintenance/Alarm", path: "/maintenance/alarm", request: `{"action":"DEACTIVATE","memberID":"$self","alarm":"CORRUPT"}`, answer: `"alarm":"CORRUPT"`},
	{method: "Maintenance/Defragment", path: "/maintenance/defragment", request: `{}`, answer: `{`},
	{method: "Maintenance/Hash", path: "/maintenance/hash", request: `{}`, answer: `"raftTerm"`},
	{method: "Maintenance/HashKV", path: "/maintenance/hashkv", request: `{}`, answer: `"compactRevision":"3"`},
	{method: "Maintenance/Snapshot", path: "/maintenance/snapshot", request: `{}`, answer: `"blob"`},
	{method: "Maintenance/MoveLeader", path: "/maintenance/transfer-leadership", request: `{"targetID":"1"}`, refused: "etcdserver: bad leader transferee"},
	{method: "Maintenance/Downgrade", path: "/maintenance/downgrade", request: `{"action":"VALIDATE","version":"3"}`, refused: "etcdserver: wrong downgrade target version format"},
	{method: "Maintenance/Downgrade", path: "/maintenance/downgrade", request: `{"action":"VALIDATE","version":"3.6.0"}`, refused: "etcdserver: invalid downgrade target version"},
	{method: "Maintenance/Downgrade", path: "/maintenance/downgrade", request: `{"action":"ENABLE","version":"3.6"}`, refused: "etcdserver: invalid downgrade target version"},
	{method: "Maintenance/Downgrade", path: "/maintenance/downgrade", request: `{"action":"CANCEL"}`, answer: `"version":"3.7"`},

	{method: "Auth/UserAdd", path: "/auth/user/add", request: `{"name":"root","password":"one"}`, answer: `"header"`},
	{method: "Auth/UserChangePassword", path: "/auth/user/changepw", request: `{"name":"root","password":"two"}`, answer: `"header"`},
	{method: "Auth/RoleAdd", path: "/auth/role/add", request: `{"name":"root"}`, answer: `"header"`},
	{method: "Auth/UserGrantRole", path: "/auth/user/grant", request: `{"user":"root","role":"root"}`, answer: `"header"`},
	{method: "Auth/UserGet", path: "/auth/user/get", request: `{"name":"root"}`, answer: `"roles":["root"]`},
	{method: "Auth/UserList", path: "/auth/user/list", request: `{}`, answer: `"users":["root"]`},
	{method: "Auth/RoleAdd", path: "/auth/role/add", request: `{"name":"r"}`, answer: `"header"`},
	{method: "Auth/RoleGrantPermission", path: "/auth/role/grant", request: `{"name":"r","perm":{"permType":"READ","key":"YQ=="}}`, answer: `"header"`},
	{method: "Auth/RoleGet", path: "/auth/role/get", request: `{"role":"r"}`, answer: `"key":"YQ=="`},
	{method: "Auth/RoleRevokePermission", path: "/auth/role/revoke", request: `{"role":"r","key":"YQ=="}`, answer: `"header"`},
	{method: "Auth/RoleList", path: "/auth/role/list", request: `{}`, answer: `"roles":["r","root"]`},
	{method: "Auth/RoleDelete", path: "/auth/role/delete", request: `{"role":"r"}`, answer: `"header"`},
	{method: "Auth/UserAdd", path: "/auth/user/add", request: `{"name":"u","password":"p"}`, answer: `"header"`},
	{method: "Auth/UserGrantRole", path: "/auth/user/grant", request: `{"user":"u","role":"root"}`, answer: `"header"`},
	{method: "Auth/UserRevokeRole", path: "/auth/user/revoke", request: `{"name":"u","role":"root"}`, answer: `"header"`},
	{method: "Auth/UserDelete", path: "/auth/user/delete", request: `{"name":"u"}`, answer: `"header"`},
	{method: "Auth/AuthEnable", path: "/auth/enable", request: `{}`, answer: `"header"`},
	{method: "KV/Range", path: "/kv/range", request: `{"key":"YQ=="}`, refused: "etcdserver: user name is empty"},
	{method: "Lock/Lock", path: "/lock/lock", request: `{"name":"bG9jaw=="}`, refused: "etcdserver: user name is empty"},
	{method: "Election/Leader", path: "/election/leader", request: `{"name":"ZQ=="}`, refused: "etcdserver: user name is empty"},
	{method: "Auth/Authenticate", path: "/auth/authenticate", request: `{"name":"root","password":"two"}`, answer: `"token"`, keep: "token=token"},
	{method: "Auth/AuthStatus", path: "/auth/status", request: `{}`, answer: `"enabled":true`, token: true},
	{method: "Lock/Lock", path: "/lock/lock", request: `{"name":"bG9jaw=="}`, answer: `"key"`, token: true},
	{method: "Auth/AuthDisable", path: "/auth/disable", request: `{}`, answer: `"header"`, token: true},
}

// Goal: every RPC of etcd's eight services works, and is refused in the same words, over gRPC, gRPC-Web, Connect and JSON. Method: the rows above
// in their order on each wire, each against a store of its own; which RPCs there are is asked of the server, so that one without a row fails.
func TestEveryRPCOnEveryWire(t *testing.T) {
	ours(t)
	described := describe(t, shared.Endpoint())
	var missing []string
	for full := range described {
		if !slices.ContainsFunc(etcdMethods, func(row rpc) bool { return strings.HasSuffix(full, "."+row.method) && row.answer+row.refused != "" }) {
			missing = append(missing, full)
		}
	}
	require.Empty(t, missing, "RPCs without a row")
	for name, open := range map[string]func(*testing.T, *harness.Server) wire{"gRPC": openGRPC, "gRPC-Web": openGRPCWeb, "Connect": openConnect, "JSON": openJSON} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire := open(t, harness.Run(t, "--bcrypt-cost=4"))
			kept := map[string]string{}
			for _, row := range etcdMethods {
				walk(t, wire, described, row, kept)
			}
		})
	}
}

// walk makes the call of one row.
func walk(t *testing.T, wire wire, described map[string]*method, row rpc, kept map[string]string) {
	t.Helper()
	var known *method
	for full, m := range described {
		if strings.HasSuffix(full, "."+row.method) {
			known = m
		}
	}
	require.NotNil(t, known, "%s is not served", row.method)
	fill := func(text string) string {
		for name, value := range kept {
			text = strings.ReplaceAll(text, "$"+name, value)
		}
		return text
	}
	token := ""
	if row.token {
		token = kept["token"]
	}
	answer, err := wire.call(t, known, row.path, known.request(t, fill(row.request)), token)
	if row.refused != "" {
		require.EqualError(t, err, row.refused, "%s %s", row.method, row.request)
		return
	}
	require.NoError(t, err, "%s %s", row.method, row.request)
	text := known.text(t, answer)
	require.Contains(t, text, fill(row.answer), "%s %s", row.method, row.request)
	if name, field, ok := strings.Cut(row.keep, "="); ok {
		kept[name] = pick(t, text, field)
	}
}

// pick returns a field of a JSON text, by its names and places from the outside in.
func pick(t *testing.T, text, path string) string {
	t.Helper()
	var at any
	require.NoError(t, json.Unmarshal([]byte(text), &at))
	for step := range strings.SplitSeq(path, ".") {
		switch inner := at.(type) {
		case map[string]any:
			at = inner[step]
		case []any:
			var i int
			_, err := fmt.Sscan(step, &i)
			require.NoError(t, err)
			at = inner[i]
		}
	}
	require.IsType(t, "", at, path)
	return at.(string)
}
