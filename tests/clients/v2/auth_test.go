package v2

import (
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	client "go.etcd.io/etcd/client/v2"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// cheap makes log-ins fast.
var cheap = []string{"--bcrypt-cost=4"}

// someone makes requests with a user's credentials, or without any.
type someone struct {
	*space
	user, password string
}

// ask makes a request of any path; a body that begins with { is JSON, any other a form.
func (s someone) ask(method, path, body string) *answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(harness.Context(s.t), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	switch {
	case strings.HasPrefix(body, "{"):
		r.Header.Set("Content-Type", "application/json")
	case body != "":
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if s.user != "" {
		r.SetBasicAuth(s.user, s.password)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	return read(s.t, resp)
}

// wants makes a request and compares its answer.
func (s someone) wants(method, path, body string, status int, want string) {
	s.t.Helper()
	a := s.ask(method, path, body)
	require.Equal(s.t, status, a.status, "%s %s %s: %s", method, path, body, a.body)
	require.Equal(s.t, want, strings.TrimSuffix(a.body, "\n"), "%s %s %s", method, path, body)
}

const denied = `{"errorCode":110,"message":"The request requires user authentication","cause":"Insufficient credentials","index":0}`

// shapes are requests to a fresh server, one after the other, with their answers.
var shapes = []struct {
	method, path, body string
	status             int
	want               string
}{
	{"GET", "enable", "", 200, `{"enabled":false}`},
	{"PUT", "enable", "", 409, `{"message":"auth: No root user available, please create one"}`},
	{"DELETE", "enable", "", 409, `{"message":"auth: already disabled"}`},
	{"GET", "users", "", 200, `{"users":null}`},
	{"GET", "roles", "", 200, `{"roles":[{"role":"root","permissions":{"kv":{"read":["/*"],"write":["/*"]}}}]}`},

	{"PUT", "roles/r", `{"role":"r"}`, 201, `{"role":"r","permissions":{"kv":{"read":null,"write":null}}}`},
	{"PUT", "roles/r", `{"role":"r"}`, 409, `{"message":"auth: Role r already exists."}`},
	{"GET", "roles/r", "", 200, `{"role":"r","permissions":{"kv":{"read":null,"write":null}}}`},
	{"PUT", "roles/q", `{"role":"q","permissions":{"kv":{"read":["/q/*","/q"],"write":["/q"]}}}`, 201, `{"role":"q","permissions":{"kv":{"read":["/q/*","/q"],"write":["/q"]}}}`},
	{"GET", "roles/q", "", 200, `{"role":"q","permissions":{"kv":{"read":["/q","/q/*"],"write":["/q"]}}}`},
	{"PUT", "roles/r", `{"role":"r","grant":{"kv":{"read":["/r/*","/x"],"write":["/x"]}}}`, 200, `{"role":"r","permissions":{"kv":{"read":["/r/*","/x"],"write":["/x"]}}}`},
	{"PUT", "roles/r", `{"role":"r","grant":{"kv":{"read":["/x"]}}}`, 409, `{"message":"auth: Granting duplicate read permission /x"}`},
	{"PUT", "roles/r", `{"role":"r","grant":{"kv":{"write":["/x"]}}}`, 409, `{"message":"auth: Granting duplicate write permission /x"}`},
	{"PUT", "roles/r", `{"role":"r","revoke":{"kv":{"read":["/x"]}}}`, 200, `{"role":"r","permissions":{"kv":{"read":["/r/*"],"write":["/x"]}}}`},
	{"PUT", "roles/r", `{"role":"r","revoke":{"kv":{"read":["/x"]}}}`, 400, `{"message":"auth: Role not updated. Use grant/revoke to update the role."}`},
	{"PUT", "roles/r", `{"role":"r","grant":{"kv":{"write":["*"]}},"revoke":{"kv":{"write":["/x"]}}}`, 200, `{"role":"r","permissions":{"kv":{"read":["/r/*"],"write":["*"]}}}`},
	{"PUT", "roles/r", `{"role":"r","permissions":{"kv":{"read":["/x"]}},"grant":{"kv":{"read":["/y"]}}}`, 400, `{"message":"Role JSON contains both permissions and grant/revoke"}`},
	{"PUT", "roles/r", `{"role":"other"}`, 400, `{"message":"Role JSON name does not match the name in the URL"}`},
	{"PUT", "roles/r", `{`, 400, `{"message":"Invalid JSON in request body."}`},
	{"PUT", "roles/none", `{"role":"none","grant":{"kv":{"read":["/y"]}}}`, 404, `{"message":"auth: Role none does not exist."}`},
	{"PUT", "roles/p", `{"role":"p","permissions":{"kv":{"read":[""]}}}`, 400, `{"message":"auth: a path of role p is empty: it must be a key, or a prefix and *"}`},
	{"PUT", "roles/root", `{"role":"root"}`, 403, `{"message":"auth: Cannot modify role root: is root role."}`},
	{"DELETE", "roles/root", "", 403, `{"message":"auth: Cannot modify role root: is root role."}`},
	{"DELETE", "roles/none", "", 404, `{"message":"auth: Role none doesn't exist."}`},
	{"GET", "roles/none", "", 404, `{"message":"auth: Role none does not exist."}`},
	{"DELETE", "roles/q", "", 200, ""},
	{"GET", "roles/a/b", "", 400, `{"message":"Invalid path"}`},
	{"POST", "roles", "", 405, "Method Not Allowed"},
	{"PATCH", "roles/r", "", 405, "Method Not Allowed"},

	{"PUT", "users/ann", `{"user":"ann"}`, 400, `{"message":"auth: Cannot create user ann with an empty password"}`},
	{"PUT", "users/ann", `{"user":"ann","password":"a"}`, 201, `{"user":"ann","roles":null}`},
	{"GET", "users/ann", "", 200, `{"user":"ann"}`},
	{"PUT", "users/ann", `{"user":"ann","password":"b"}`, 200, `{"user":"ann","roles":[]}`},
	{"PUT", "users/ann", `{"user":"ann"}`, 400, `{"message":"auth: User not updated. Use grant/revoke/password to update the user."}`},
	{"PUT", "users/ann", `{"user":"ann","grant":["r"]}`, 200, `{"user":"ann","roles":["r"]}`},
	{"PUT", "users/ann", `{"user":"ann","grant":["r"]}`, 409, `{"message":"auth: Granting duplicate role r for user ann"}`},
	{"PUT", "users/ann", `{"user":"ann","grant":["none"]}`, 404, `{"message":"auth: Role none does not exist."}`},
	{"PUT", "users/ann", `{"user":"ann","roles":["r"],"password":"b"}`, 409, `{"message":"auth: User ann already exists."}`},
	{"PUT", "users/ann", `{"user":"ann","roles":["r"],"grant":["r"]}`, 400, `{"message":"User JSON contains both roles and grant/revoke"}`},
	{"GET", "users/ann", "", 200, `{"user":"ann","roles":[{"role":"r","permissions":{"kv":{"read":["/r/*"],"write":["*"]}}}]}`},
	{"PUT", "users/ann", `{"user":"ann","revoke":["r"],"password":"a"}`, 200, `{"user":"ann","roles":[]}`},
	{"PUT", "users/ann", `{"user":"ann","revoke":["r"]}`, 409, `{"message":"auth: Revoking ungranted role r for user ann"}`},
	{"PUT", "users/bob", `{"user":"bob","password":"b","roles":["r"]}`, 200, `{"user":"bob","roles":["r"]}`},
	{"PUT", "users/bob", `{"user":"ann"}`, 400, `{"message":"User JSON name does not match the name in the URL"}`},
	{"PUT", "users/none", `{"user":"none","grant":["r"]}`, 404, `{"message":"auth: User none does not exist."}`},
	{"GET", "users/none", "", 404, `{"message":"auth: User none does not exist."}`},
	{"DELETE", "users/none", "", 404, `{"message":"auth: User none does not exist"}`},
	{"DELETE", "users/bob", "", 200, ""},
	{"PUT", "users/long", `{"user":"long","password":"` + strings.Repeat("x", 73) + `"}`, 400, `{"message":"bcrypt: password length exceeds 72 bytes"}`},
	{"PUT", "users/root", `{"user":"root","password":"p"}`, 201, `{"user":"root","roles":["root"]}`},
	{"PUT", "users/root", `{"user":"root","revoke":["root"]}`, 200, `{"user":"root","roles":["root"]}`},
	{"GET", "users/", "", 200, `{"users":[{"user":"ann"},{"user":"root","roles":[{"role":"root","permissions":{"kv":{"read":["/*"],"write":["/*"]}}}]}]}`},
	{"GET", "users/a/b", "", 400, `{"message":"Invalid path"}`},
	{"HEAD", "users", "", 405, ""},
	{"GET", "", "", 404, "404 page not found"},

	{"PUT", "enable", "", 200, ""},
	{"GET", "enable", "", 200, `{"enabled":true}`},
	{"PUT", "enable", "", 401, `{"message":"Insufficient credentials"}`},
	{"GET", "users", "", 401, `{"message":"Insufficient credentials"}`},
	{"GET", "roles/r", "", 401, `{"message":"Insufficient credentials"}`},
}

// Goal: each shape of /v2/auth: what is made, changed, read and refused. Method: one conversation with a fresh server.
func TestUsersAndRoles(t *testing.T) {
	s, _ := own(t, cheap...)
	anyone := someone{space: s}
	for _, c := range shapes {
		anyone.wants(c.method, strings.TrimSuffix("/v2/auth/"+c.path, "/auth/"), c.body, c.status, c.want)
	}
	ann, root := someone{s, "ann", "a"}, someone{s, "root", "p"}
	ann.wants("GET", "/v2/auth/users/ann", "", 401, `{"message":"Insufficient credentials"}`)
	ann.wants("DELETE", "/v2/auth/enable", "", 401, `{"message":"Insufficient credentials"}`)
	someone{s, "root", "wrong"}.wants("GET", "/v2/auth/users", "", 401, `{"message":"Insufficient credentials"}`)
	root.wants("PUT", "/v2/auth/enable", "", 409, `{"message":"auth: already enabled"}`)
	root.wants("DELETE", "/v2/auth/users/root", "", 403, `{"message":"auth: Cannot delete root user while auth is enabled."}`)
	root.wants("GET", "/v2/auth/roles/guest", "", 200, `{"role":"guest","permissions":{"kv":{"read":null,"write":null}}}`)
	require.NotEmpty(t, root.ask("GET", "/v2/auth/users", "").header.Get("X-Etcd-Cluster-Id"))
	require.Equal(t, "application/json", root.ask("DELETE", "/v2/auth/enable", "").header.Get("Content-Type"))
	anyone.wants("GET", "/v2/auth/enable", "", 200, `{"enabled":false}`)
}

// Goal: who may do what with keys: rights of users and guests, of wrong and odd credentials, and what a directory needs. Method: a
// server locked by v2, with a user who may read below /r and write below /w, requests by each kind of caller.
func TestAccessToKeys(t *testing.T) {
	s, _ := own(t, cheap...)
	anyone, ann, root := someone{space: s}, someone{s, "ann", "a"}, someone{s, "root", "p"}
	require.Equal(t, 201, ann.ask("PUT", "/v2/keys/r/a", "value=1").status, "credentials do not matter while authentication is off")
	require.Equal(t, 201, someone{s, "nobody", ""}.ask("PUT", "/v2/keys/w/a", "value=secret").status)
	for path, body := range map[string]string{
		"roles/ann": `{"role":"ann","permissions":{"kv":{"read":["/r/*"],"write":["/w/*"]}}}`, "users/root": `{"user":"root","password":"p"}`,
	} {
		require.Equal(t, 201, anyone.ask("PUT", "/v2/auth/"+path, body).status)
	}
	require.Equal(t, 200, anyone.ask("PUT", "/v2/auth/enable", "").status)
	require.Equal(t, 200, anyone.ask("GET", "/v2/keys/w/a", "").status, "guests may, as in etcd, where there is nobody but root")
	require.Equal(t, 200, root.ask("PUT", "/v2/auth/users/ann", `{"user":"ann","password":"a","roles":["ann"]}`).status)
	require.Equal(t, 200, root.ask("PUT", "/v2/auth/roles/guest", `{"role":"guest","grant":{"kv":{"read":["/pub"]}},"revoke":{"kv":{"read":["/*"],"write":["/*"]}}}`).status)
	require.Equal(t, 201, root.ask("PUT", "/v2/keys/pub", "value=p").status)

	for _, c := range []struct {
		who                someone
		method, path, form string
		status             int
	}{
		{root, "GET", "/", "", 200},
		{ann, "GET", "/r/a", "", 200},
		{ann, "GET", "/r/a?quorum=true", "", 200},
		{ann, "HEAD", "/r/a", "", 200},
		{ann, "GET", "/r", "", 200},
		{ann, "GET", "/r/?recursive=true", "", 200},
		{ann, "GET", "/r/none", "", 404},
		{ann, "PUT", "/r/a", "value=2", 401},
		{ann, "DELETE", "/r/a", "", 401},
		{ann, "GET", "/w/a", "", 401},
		{ann, "GET", "/w/none", "", 401},
		{ann, "GET", "/", "", 401},
		{ann, "GET", "/r/%2e%2e/w/a", "", 401},
		{ann, "PUT", "/w/%2e%2e/r/a", "value=2", 401},
		{ann, "PUT", "/w/b", "value=2", 201},
		{ann, "POST", "/w/", "value=2", 201},
		{ann, "PUT", "/w/a", "value=2&prevValue=secret", 401},
		{ann, "DELETE", "/w?recursive=true", "", 401},
		{ann, "GET", "/r/a?wait=maybe", "", 400},
		{anyone, "GET", "/pub", "", 200},
		{anyone, "PUT", "/pub", "value=x", 401},
		{anyone, "GET", "/r/a", "", 401},
		{anyone, "GET", "/", "", 401},
		{someone{s, "ann", "b"}, "GET", "/pub", "", 401},
		{someone{s, "nobody", "a"}, "GET", "/pub", "", 401},
		{someone{s, "guest", ""}, "GET", "/pub", "", 401},
	} {
		require.Equal(t, c.status, c.who.ask(c.method, "/v2/keys"+c.path, c.form).status, "%s: %s %s %s", c.who.user, c.method, c.path, c.form)
	}
	ann.wants("GET", "/v2/keys/w/a", "", 401, denied)
	a := ann.ask("PUT", "/v2/keys/w/a", "value=new")
	require.Equal(t, 200, a.status)
	require.NotNil(t, a.Prev)
	require.Nil(t, a.Prev.Value, "she may not read what was there: %s", a.body)
	require.NotContains(t, ann.ask("DELETE", "/v2/keys/w/a", "").body, "new")

	s.refusesOddCredentials("/v2/keys/pub")
	for path, status := range map[string]int{"/v2/machines": 200, "/v2/members": 200, "/v2/stats/self": 200, "/v2/stats/store": 200, "/version": 200} {
		require.Equal(t, status, anyone.ask("GET", path, "").status, path)
	}
	for _, who := range []someone{anyone, ann} {
		who.wants("DELETE", "/v2/members/1234", "", 401, `{"message":"Insufficient credentials"}`)
		who.wants("POST", "/v2/members", `{"peerURLs":["http://h:1"]}`, 401, `{"message":"Insufficient credentials"}`)
	}
	root.wants("DELETE", "/v2/members/1234", "", 404, `{"message":"No such member: 1234"}`)

	require.Equal(t, 200, root.ask("PUT", "/v2/auth/users/ann", `{"user":"ann","password":"new"}`).status)
	require.Equal(t, 401, ann.ask("GET", "/v2/keys/r/a", "").status, "the old password is over at once")
	ann.password = "new"
	require.Equal(t, 200, ann.ask("GET", "/v2/keys/r/a", "").status)
	require.Equal(t, 200, root.ask("DELETE", "/v2/auth/roles/guest", "").status)
	require.Equal(t, 401, anyone.ask("GET", "/v2/keys/pub", "").status, "no guest role, no guests")
}

// Goal: v3's AuthEnable opens no door for v2 requests without credentials, whatever a role guest of v3 may; users of v3 log in. Method:
// etcd's v3 client locks, with such a role and a range that v2 cannot show.
func TestLockedByV3(t *testing.T) {
	s, server := own(t, cheap...)
	v3, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint()}, DialTimeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { v3.Close() })
	ctx := harness.Context(t)
	_, err = v3.Put(ctx, "/a", "1")
	require.NoError(t, err)
	_, err = v3.RoleAdd(ctx, "guest")
	require.NoError(t, err)
	for _, end := range []string{"\x00", "/b", clientv3.GetPrefixRangeEnd("/a")} {
		_, err = v3.RoleGrantPermission(ctx, "guest", "/a", end, clientv3.PermissionType(clientv3.PermReadWrite))
		require.NoError(t, err)
	}
	for _, name := range []string{"root", "ann"} {
		_, err = v3.UserAdd(ctx, name, "p")
		require.NoError(t, err)
	}
	_, err = v3.UserGrantRole(ctx, "root", "root")
	require.NoError(t, err)
	_, err = v3.UserGrantRole(ctx, "ann", "guest")
	require.NoError(t, err)
	_, err = v3.AuthEnable(ctx)
	require.NoError(t, err)

	anyone, root := someone{space: s}, someone{s, "root", "p"}
	anyone.wants("GET", "/v2/keys/", "", 401, denied)
	anyone.wants("GET", "/v2/keys/a", "", 401, denied)
	require.Equal(t, 200, someone{s, "ann", "p"}.ask("GET", "/v2/keys/a", "").status)
	root.wants("GET", "/v2/auth/users/ann", "", 200, `{"user":"ann","roles":[{"role":"guest","permissions":{"kv":{"read":["/a*"],"write":["/a*"]}}}]}`)
}

// Goal: a wait ends when the right to it goes, or authentication is enabled, and that is on record; another's goes on. Method: long polls
// and streams of a user, of a guest and of one who began while authentication was off; then their rights change.
func TestWaitsEndWithTheirRights(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.log")
	s, _ := own(t, append(cheap, "--audit-log="+log)...)
	anyone, root, ann := someone{space: s}, someone{s, "root", "p"}, someone{s, "ann", "a"}
	require.Equal(t, 201, anyone.ask("PUT", "/v2/auth/roles/ann", `{"role":"ann","permissions":{"kv":{"read":["/r/*"]}}}`).status)
	require.Equal(t, 200, anyone.ask("PUT", "/v2/auth/users/ann", `{"user":"ann","password":"a","roles":["ann"]}`).status)
	require.Equal(t, 201, anyone.ask("PUT", "/v2/auth/users/root", `{"user":"root","password":"p"}`).status)
	before := s.waitAs(someone{space: s}, "/r", "recursive=true&stream=true")
	hers := s.waitAs(ann, "/r", "recursive=true&stream=true")
	require.Equal(t, 200, anyone.ask("PUT", "/v2/auth/enable", "").status)
	before.over()
	poll := s.waitAs(ann, "/r/a", "")
	require.Equal(t, 401, ann.ask("GET", "/v2/keys/x?wait=true", "").status)
	require.Equal(t, 401, ann.ask("GET", "/v2/keys/?wait=true&recursive=true", "").status)
	require.Equal(t, 401, anyone.ask("GET", "/v2/keys/r/a?wait=true&waitIndex=1", "").status)

	require.Equal(t, 200, root.ask("PUT", "/v2/auth/users/ann", `{"user":"ann","password":"b"}`).status)
	require.Equal(t, 201, root.ask("PUT", "/v2/keys/r/b", "value=1").status)
	require.Equal(t, "/r/b", hers.next().Node.Key, "it goes on")
	require.Equal(t, 200, root.ask("PUT", "/v2/auth/roles/ann", `{"role":"ann","revoke":{"kv":{"read":["/r/*"]}},"grant":{"kv":{"read":["/r/a"]}}}`).status)
	require.Equal(t, 201, root.ask("PUT", "/v2/keys/r/c", "value=secret").status)
	hers.over()
	require.Equal(t, 201, root.ask("PUT", "/v2/keys/r/a", "value=1").status)
	require.Equal(t, "1", poll.last().Node.value(), "that one may still be told")
	var ended []string
	for _, line := range harness.AuditLines(t, log) {
		if line.Decision == "ended" {
			ended = append(ended, strings.Join([]string{line.User, line.Method, line.Code, line.Ranges[0].Access, line.Ranges[0].Key}, " "))
		}
	}
	require.Equal(t, []string{" v2/GET 401 watch /r", "ann v2/GET 401 watch /r"}, ended)
}

// Goal: somebody who may read a directory is not told of the file that stands in its place. Method: a recursive wait while the directory is
// replaced by a file, and made again.
func TestWaitTellsOnlyWhatMayBeRead(t *testing.T) {
	s, _ := own(t, cheap...)
	anyone, root, ann := someone{space: s}, someone{s, "root", "p"}, someone{s, "ann", "a"}
	require.Equal(t, 201, anyone.ask("PUT", "/v2/auth/roles/ann", `{"role":"ann","permissions":{"kv":{"read":["/r/*"]}}}`).status)
	require.Equal(t, 200, anyone.ask("PUT", "/v2/auth/users/ann", `{"user":"ann","password":"a","roles":["ann"]}`).status)
	require.Equal(t, 201, anyone.ask("PUT", "/v2/auth/users/root", `{"user":"root","password":"p"}`).status)
	require.Equal(t, 200, anyone.ask("PUT", "/v2/auth/enable", "").status)
	stream := s.waitAs(ann, "/r", "recursive=true&stream=true")
	require.Equal(t, 201, root.ask("PUT", "/v2/keys/r", "value=secret").status)
	require.Equal(t, 200, root.ask("PUT", "/v2/keys/r", "dir=true").status)
	require.Equal(t, 201, root.ask("PUT", "/v2/keys/r/a", "value=1").status)
	require.Equal(t, "/r/a", stream.next().Node.Key)
	require.Equal(t, 200, root.ask("DELETE", "/v2/keys/r?recursive=true", "").status)
	require.Equal(t, "delete", stream.next().Action)
}

// Goal: etcd's own client for v2 users and roles. Method: what its command-line tool does with it.
func TestAuthByEtcdsClient(t *testing.T) {
	s, _ := own(t, cheap...)
	ctx := harness.Context(t)
	as := func(name, password string) client.Client {
		c, err := client.New(client.Config{Endpoints: []string{s.url}, Username: name, Password: password})
		require.NoError(t, err)
		return c
	}
	open := as("", "")
	require.NoError(t, client.NewAuthUserAPI(open).AddUser(ctx, "root", "p"))
	require.NoError(t, client.NewAuthAPI(open).Enable(ctx))
	root := as("root", "p")
	users, roles := client.NewAuthUserAPI(root), client.NewAuthRoleAPI(root)
	require.NoError(t, users.AddUser(ctx, "ann", "a"))
	require.NoError(t, roles.AddRole(ctx, "r"))
	granted, err := roles.GrantRoleKV(ctx, "r", []string{"/r/*"}, client.ReadWritePermission)
	require.NoError(t, err)
	require.Equal(t, []string{"/r/*"}, granted.Permissions.KV.Write)
	_, err = users.GrantUser(ctx, "ann", []string{"r"})
	require.NoError(t, err)
	ann, err := users.GetUser(ctx, "ann")
	require.NoError(t, err)
	require.Contains(t, ann.Roles, "r") // beside an empty one, which the client makes of the first way in which it reads the answer
	names, err := users.ListUsers(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"ann", "root"}, names)
	names, err = roles.ListRoles(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"guest", "r", "root"}, names)
	_, err = client.NewKeysAPI(as("ann", "a")).Set(ctx, "/r/a", "1", nil)
	require.NoError(t, err)
	_, err = roles.RevokeRoleKV(ctx, "r", []string{"/r/*"}, client.WritePermission)
	require.NoError(t, err)
	_, err = client.NewKeysAPI(as("ann", "a")).Set(ctx, "/r/a", "2", nil)
	require.Error(t, err)
	_, err = users.ChangePassword(ctx, "ann", "b")
	require.NoError(t, err)
	_, err = users.RevokeUser(ctx, "ann", []string{"r"})
	require.NoError(t, err)
	require.NoError(t, users.RemoveUser(ctx, "ann"))
	require.NoError(t, roles.RemoveRole(ctx, "r"))
	require.NoError(t, client.NewAuthAPI(root).Disable(ctx))
}

// refusesOddCredentials asks for what guests may have, with credentials that show nobody.
func (s *space) refusesOddCredentials(path string) {
	s.t.Helper()
	for header, value := range map[string]string{"Bearer": "Bearer abc", "no base64": "Basic ???", "no colon": "Basic YWJj"} {
		r, err := http.NewRequestWithContext(harness.Context(s.t), http.MethodGet, s.url+path, nil)
		require.NoError(s.t, err)
		r.Header.Set("Authorization", value)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(s.t, err)
		require.Equal(s.t, http.StatusUnauthorized, read(s.t, resp).status, header)
	}
}

// waitAs is wait for any path, as somebody.
func (s *space) waitAs(who someone, path, form string) *waiter {
	s.t.Helper()
	target, err := url.Parse(s.url)
	require.NoError(s.t, err)
	if who.user != "" {
		target.User = url.UserPassword(who.user, who.password)
	}
	return (&space{t: s.t, url: target.String(), dir: path}).wait("", form)
}

// over waits for the end of an answer that has told nothing more.
func (w *waiter) over() {
	w.t.Helper()
	require.ErrorIs(w.t, w.lines.Decode(&event{}), io.EOF)
}
