package resolver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// names is a name server in memory.
type names struct {
	mu        sync.Mutex
	addresses map[string][]string
	err       error
}

func (n *names) lookup(_ context.Context, host string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addresses[host], n.err
}

func (n *names) set(host string, err error, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses, n.err = map[string][]string{host: addresses}, err
}

// Goal: nodes come and go with the addresses of a name, and those that stay keep their identity. Method: a name whose
// addresses change, beside an address.
func TestNodesFollowNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &names{}
		dns.set("members", nil, "10.0.0.2", "10.0.0.1")
		set, err := New(Config{Endpoints: []string{"http://members:2381", "http://127.0.0.1:9"}, Lookup: dns.lookup})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		updates := make(chan []*Node, 1)
		done := make(chan error)
		go func() { done <- set.Run(ctx, func(now []*Node) { updates <- now }) }()

		first := <-updates
		require.Equal(t, []string{"10.0.0.1:2381", "10.0.0.2:2381", "127.0.0.1:9"}, addresses(first))
		dns.set("members", nil, "10.0.0.2", "10.0.0.3")
		second := <-updates
		require.Equal(t, []string{"10.0.0.1:2381", "10.0.0.2:2381", "10.0.0.3:2381", "127.0.0.1:9"}, addresses(second))
		began := time.Now()
		third := <-updates
		require.Equal(t, []string{"10.0.0.2:2381", "10.0.0.3:2381", "127.0.0.1:9"}, addresses(third))
		require.Equal(t, (missesMax-1)*lookupInterval, time.Since(began), "what is gone is given up after some answers")
		require.Same(t, first[1], third[0], "a node that stays is the same")
		require.Equal(t, "http://members:2381", third[0].URL)
		cancel()
		require.NoError(t, <-done)
	})
}

// Goal: answers that tell a part of what there is take no node away ("nodes come and go while nothing happens"), nor do
// failures, however many. Method: parts in turn, one of them of the other family, and between them failures.
func TestPartialAnswers(t *testing.T) {
	dns := &names{}
	dns.set("members", nil, "10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1")
	set, err := New(Config{Endpoints: []string{"http://members:1"}, Lookup: dns.lookup})
	require.NoError(t, err)
	all := set.lookUp(t.Context())
	for i := range 4 * missesMax {
		switch i % 4 {
		case 0:
			dns.set("members", nil, "10.0.0.3", "10.0.0.1")
		case 1:
			dns.set("members", nil, "fd00::1")
		case 2:
			dns.set("members", nil, "10.0.0.2")
		case 3:
			dns.set("members", errors.New("no answer"))
			for range 2 * missesMax {
				require.Equal(t, all, set.lookUp(t.Context()))
			}
		}
		require.Equal(t, all, set.lookUp(t.Context()), "answer %d", i)
	}
}

// Goal: nodes that have an IPv6 address only are used, also if others of the name have IPv4 ("half of the nodes get no
// calls"); of localhost, which has both, there is one. Method: names with addresses of both families.
func TestNodesOfBothFamilies(t *testing.T) {
	for _, c := range []struct{ hosts, want []string }{
		{[]string{"10.0.0.1", "fd00::2"}, []string{"10.0.0.1:1", "[fd00::2]:1"}},
		{[]string{"fd00::2"}, []string{"[fd00::2]:1"}},
		{[]string{"127.0.0.1", "::1"}, []string{"127.0.0.1:1"}},
		{[]string{"::1"}, []string{"[::1]:1"}},
		{[]string{"10.0.0.1", "::1"}, []string{"10.0.0.1:1", "[::1]:1"}},
	} {
		dns := &names{}
		dns.set("watch", nil, c.hosts...)
		set, err := New(Config{Endpoints: []string{"http://watch:1"}, Lookup: dns.lookup})
		require.NoError(t, err)
		require.Equal(t, c.want, addresses(set.lookUp(t.Context())))
	}
}

// Goal: names that nobody answers for do not hold up the others, one after the other ("a new node is found minutes later").
// Method: three of them beside an address, in a time of the test's own.
func TestDeadNamesDoNotAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := func(ctx context.Context, _ string) ([]string, error) {
			<-ctx.Done()
			return nil, errors.New("no answer")
		}
		set, err := New(Config{Endpoints: []string{"http://a:1", "http://b:1", "http://c:1", "http://127.0.0.1:9"}, Lookup: dead})
		require.NoError(t, err)
		began := time.Now()
		require.Equal(t, []string{"127.0.0.1:9"}, addresses(set.lookUp(t.Context())))
		require.Equal(t, lookupTimeout, time.Since(began))
	})
}

// Goal: a failing name server changes nothing. Method: let it fail for several lookups, then answer something else.
func TestFailingLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &names{}
		dns.set("members", nil, "10.0.0.1")
		set, err := New(Config{Endpoints: []string{"http://members:1"}, Lookup: dns.lookup})
		require.NoError(t, err)
		require.Len(t, set.lookUp(t.Context()), 1)
		dns.set("members", errors.New("no answer"))
		require.Equal(t, []string{"10.0.0.1:1"}, addresses(set.lookUp(t.Context())))
		dns.set("members", nil)
		require.Equal(t, []string{"10.0.0.1:1"}, addresses(set.lookUp(t.Context())), "no address is no answer")
		dns.set("members", nil, "10.0.0.9")
		require.Equal(t, []string{"10.0.0.1:1", "10.0.0.9:1"}, addresses(set.lookUp(t.Context())))
	})
}

// Goal: a node's client reaches the address, whatever the name means, and speaks HTTP/2. Method: a server whose name in
// the endpoint nobody could look up.
func TestClientReachesTheAddress(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Host)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	dns := &names{}
	dns.set("nowhere.invalid", nil, u.Hostname())
	set, err := New(Config{Endpoints: []string{"http://nowhere.invalid:" + u.Port()}, Lookup: dns.lookup})
	require.NoError(t, err)
	node := set.lookUp(t.Context())[0]
	defer node.Close()
	answer, err := node.Client.Get(node.URL)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0 nowhere.invalid:"+u.Port(), string(body))
}

// Goal: mistakes in endpoints are found at once. Method: one of each kind.
func TestBadEndpoints(t *testing.T) {
	for _, text := range []string{"members:2381", "http://members", "ftp://members:1", "http://:1", "://"} {
		_, err := New(Config{Endpoints: []string{text}})
		require.ErrorContains(t, err, text)
	}
}

func addresses(nodes []*Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Address)
	}
	return all
}
