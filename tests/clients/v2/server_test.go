package v2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

func decode(resp *http.Response) (*event, error) {
	defer resp.Body.Close()
	e := &event{}
	return e, json.NewDecoder(resp.Body).Decode(e)
}

func fetch(t *testing.T, method, url string) *answer {
	t.Helper()
	r, err := http.NewRequestWithContext(harness.Context(t), method, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return &answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
}

// Goal: the headers of answers. Method: one of each kind.
func TestHeaders(t *testing.T) {
	s := open(t)
	members := fetch(t, http.MethodGet, s.url+"/v2/members")
	cluster := members.header.Get("X-Etcd-Cluster-Id")
	require.Regexp(t, "^[1-9a-f][0-9a-f]*$", cluster)
	for _, c := range []struct {
		a    *answer
		raft bool
	}{
		{s.put("k", "value=1"), true},
		{s.get("k", ""), true},
		{s.get("k", "quorum=true"), true},
		{s.delete("k", ""), true},
		{s.get("none", ""), false},
		{s.get("none", "dir=x"), false},
	} {
		require.Equal(t, "application/json", c.a.header.Get("Content-Type"))
		require.Equal(t, cluster, c.a.header.Get("X-Etcd-Cluster-Id"))
		require.Equal(t, c.raft, c.a.header.Get("X-Raft-Index") != "")
		require.Equal(t, c.raft, c.a.header.Get("X-Raft-Term") != "")
		require.True(t, strings.HasSuffix(c.a.body, "\n"))
		require.Equal(t, "*", c.a.header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "POST, GET, OPTIONS, PUT, DELETE", c.a.header.Get("Access-Control-Allow-Methods"))
		if c.raft {
			require.Positive(t, c.a.index(t, "X-Raft-Index"))
			require.Positive(t, c.a.index(t, "X-Raft-Term"))
			require.Positive(t, c.a.index(t, "X-Etcd-Index"))
		}
	}
	first, second := s.put("k", "value=1"), s.put("k", "value=2")
	require.Greater(t, second.index(t, "X-Raft-Index"), first.index(t, "X-Raft-Index"))
	head := s.do(http.MethodHead, "k", "")
	require.Equal(t, fmt.Sprint(len(s.get("k", "").body)), head.header.Get("Content-Length"))
	require.Empty(t, head.body)
}

// Goal: HTTP in all the ways that clients speak it. Method: raw requests: HTTP/1.0, chunked bodies, Expect, a malformed escape.
func TestPlainHTTP(t *testing.T) {
	s := open(t)
	for _, c := range []struct{ name, request, want string }{
		{"HTTP/1.0", "PUT /v2/keys" + s.key("a") + "?value=1 HTTP/1.0\r\n\r\n", "HTTP/1.0 201 Created"},
		{"chunked", "PUT /v2/keys" + s.key("b") + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
			"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n7\r\nvalue=1\r\n0\r\n\r\n", "HTTP/1.1 201 Created"},
		{"expect", "PUT /v2/keys" + s.key("c") + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
			"Content-Length: 7\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nvalue=1", "HTTP/1.1 100 Continue"},
		{"malformed escape", "GET /v2/keys/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 Bad Request"},
	} {
		conn, err := net.Dial("tcp", shared.Endpoint())
		require.NoError(t, err)
		_, err = io.WriteString(conn, c.request)
		require.NoError(t, err)
		all, err := io.ReadAll(conn)
		require.NoError(t, err)
		conn.Close()
		require.True(t, strings.HasPrefix(string(all), c.want), "%s: %s", c.name, all)
	}
	require.Equal(t, "1", s.get("b", "").Node.value())
	require.Equal(t, "1", s.get("c", "").Node.value())
}

// Goal: values are bounded as all requests are, and a form is by etcd's limit. Method: sizes around both.
func TestLargeValues(t *testing.T) {
	s := open(t)
	large := strings.Repeat("x", 1<<20)
	require.Equal(t, 201, s.put("k", "value="+large).status)
	require.Equal(t, large, s.get("k", "").Node.value())
	a := s.put("k", "value="+large+large)
	require.Equal(t, 400, a.status)
	require.Equal(t, "etcdserver: request is too large", a.Cause)
	a = s.put("k", "value="+strings.Repeat("x", 11<<20))
	require.Equal(t, 400, a.status)
	require.Equal(t, 210, a.ErrorCode)
	require.Equal(t, "http: POST too large", a.Cause)

	own, _ := own2(t, "--max-request-bytes=8388608")
	require.Equal(t, 201, own.put("k", "value="+strings.Repeat("x", 5<<20)).status)
}

// own2 is own within a test that is parallel already.
func own2(t *testing.T, args ...string) (*space, *harness.Server) {
	t.Helper()
	server := harness.Run(t, args...)
	return &space{t: t, url: server.URL()}, server
}

// Goal: members, machines and statistics as clients read them. Method: a server of known name and URLs.
func TestMembersAndStats(t *testing.T) {
	s, server := own(t)
	members := fetch(t, http.MethodGet, s.url+"/v2/members")
	var list struct {
		Members []struct {
			ID, Name             string
			PeerURLs, ClientURLs []string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(members.body), &list), members.body)
	require.Len(t, list.Members, 1)
	me := list.Members[0]
	require.Equal(t, "one", me.Name)
	require.Equal(t, []string{server.URL()}, me.ClientURLs)
	require.Len(t, me.PeerURLs, 1)
	require.Equal(t, members.body, fetch(t, http.MethodGet, s.url+"/v2/members/").body)
	leader := fetch(t, http.MethodGet, s.url+"/v2/members/leader")
	require.Equal(t, "{\"members\":["+strings.TrimSpace(leader.body)+"]}\n", members.body)

	machines := fetch(t, http.MethodGet, s.url+"/v2/machines")
	require.Equal(t, server.URL(), machines.body)
	require.Contains(t, machines.header.Get("Content-Type"), "text/plain")
	require.Equal(t, 200, fetch(t, http.MethodHead, s.url+"/v2/machines").status)

	self := fetch(t, http.MethodGet, s.url+"/v2/stats/self")
	require.Regexp(t, `^\{"name":"one","id":"`+me.ID+`","state":"StateLeader","startTime":"[^"]+Z","leaderInfo":\{"leader":"`+me.ID+
		`","uptime":"[0-9a-zµ.]+","startTime":"[^"]+Z"\},"recvAppendRequestCnt":\d+,"sendAppendRequestCnt":\d+.*\}$`, self.body)
	require.Equal(t, `{"leader":"`+me.ID+`","followers":{}}`, fetch(t, http.MethodGet, s.url+"/v2/stats/leader").body)

	s.put("a", "value=1")
	s.put("a/b", "value=1")
	s.put("a", "value=1&prevExist=true")
	s.put("b", "value=1&prevExist=false")
	s.put("b", "value=1&prevExist=false")
	s.put("b", "value=2&prevValue=1")
	s.put("b", "value=2&prevValue=1")
	s.get("a", "")
	s.get("x", "")
	s.delete("x", "")
	s.delete("a", "")
	s.delete("b", "prevValue=2")
	s.wait("w", "")
	require.JSONEq(t, `{"getsSuccess":1,"getsFail":1,"setsSuccess":1,"setsFail":1,"deleteSuccess":1,"deleteFail":1,
		"updateSuccess":1,"updateFail":0,"createSuccess":1,"createFail":1,"compareAndSwapSuccess":1,"compareAndSwapFail":1,
		"compareAndDeleteSuccess":1,"compareAndDeleteFail":0,"expireCount":0,"watchers":1}`,
		fetch(t, http.MethodGet, s.url+"/v2/stats/store").body)

	version := fetch(t, http.MethodGet, s.url+"/version")
	require.Contains(t, version.body, `"etcdserver":"3.`)
	require.Contains(t, version.body, `"etcdcluster":"3.`)
	require.Contains(t, fetch(t, http.MethodGet, s.url+"/health").body, `"health":"true"`)
}

// Goal: v2 can be turned off, and served where very old clients look. Method: both flags.
func TestFlags(t *testing.T) {
	_, server := own(t, "--enable-v2=false")
	for _, path := range []string{"/v2/keys/k", "/v2/members", "/v2/stats/self"} {
		a := fetch(t, http.MethodGet, server.URL()+path)
		require.Equal(t, 404, a.status)
		require.Equal(t, "404 page not found\n", a.body)
	}
	require.Equal(t, 200, fetch(t, http.MethodGet, server.URL()+"/version").status)

	legacy := fmt.Sprintf("http://127.0.0.1:%d", harness.FreePort())
	s, _ := own2(t, "--listen-legacy-urls="+legacy)
	s.put("k", "value=1")
	require.Equal(t, "1", (&space{t: t, url: legacy}).get("k", "").Node.value())
}

// Goal: a snapshot has the keys in etcd's format, whatever v2 keeps beside. Method: save one while the newest revisions have
// no keys, and restore it with etcd's tool.
func TestSnapshotWithDirectories(t *testing.T) {
	s, server := own(t)
	s.put("a/b", "value=1&ttl=1000")
	s.put("empty", "dir=true")
	s.put("empty", "dir=true&prevExist=true&ttl=1000")
	file := t.TempDir() + "/snapshot"
	out, err := harness.Command(t, "etcdctl", "--endpoints="+server.Endpoint(), "snapshot", "save", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = harness.Command(t, "etcdutl", "snapshot", "status", file, "-w=json").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.True(t, bytes.Contains(out, []byte(`"totalKey":1`)), "%s", out)
	out, err = harness.Command(t, "etcdutl", "snapshot", "restore", file, "--data-dir="+t.TempDir()+"/restored").CombinedOutput()
	require.NoError(t, err, "%s", out)
}
