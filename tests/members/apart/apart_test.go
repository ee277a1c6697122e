package apart

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: clients cannot tell services apart from one process. Method: clientv3's suite, against one of two API nodes; under the race
// detector, for which make test has compiled it already.
func TestClients(t *testing.T) {
	s := start(t, harness.Sizes{Consensus: 3, Lease: 2, Watch: 2, API: 2}, false)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	suite := exec.CommandContext(ctx, "go", "test", "-race", "-vet=off", "-count=1", "./clients/clientv3")
	suite.Dir = filepath.Join(harness.Root(), "tests")
	suite.Env = append(os.Environ(), harness.EndpointEnv+"="+s.Endpoints()[0])
	out, err := suite.CombinedOutput()
	require.NoError(t, err, string(out))
}

// Goal: a store whose services speak mutual TLS serves, lets nobody else in, and stops cleanly. Method: one node of each
// kind; a put, a read, a watch, a lease and a snapshot; a call without a certificate; SIGTERM in any order.
func TestMutualTLS(t *testing.T) {
	s := start(t, harness.Sizes{Consensus: 1, Lease: 1, Watch: 1, API: 1}, true)
	client := dial(t, s.Endpoints()...)
	ctx := harness.Context(t)
	lease, err := client.Grant(ctx, 60)
	require.NoError(t, err)
	put, err := client.Put(ctx, "a", "1", clientv3.WithLease(lease.ID))
	require.NoError(t, err)
	got, err := client.Get(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "1", string(got.Kvs[0].Value))
	event := <-client.Watch(ctx, "a", clientv3.WithRev(put.Header.Revision))
	require.Len(t, event.Events, 1)
	_, err = client.Revoke(ctx, lease.ID)
	require.NoError(t, err)
	got, err = client.Get(ctx, "a")
	require.NoError(t, err)
	require.Empty(t, got.Kvs)

	for _, one := range []*harness.Server{s.Consensus[0], s.Lease[0], s.Watch[0]} {
		for _, arg := range one.Args() {
			if url, ok := strings.CutPrefix(arg, "--listen-internal-urls="); ok {
				curl := exec.CommandContext(ctx, "curl", "-ks", "-X", "POST", "-H", "content-type: application/json", "-d", "{}",
					url+"/quorate.consensus.v1.ConsensusService/Status")
				out, err := curl.CombinedOutput()
				require.Error(t, err, "without a certificate: %s", out)
			}
		}
	}
	for _, one := range []*harness.Server{s.API[0], s.Watch[0], s.Lease[0], s.Consensus[0]} {
		code, err := one.Stop(syscall.SIGTERM)
		require.NoError(t, err)
		require.Zero(t, code, one.Output())
	}
}

// Goal: no program links what its service does not need. Method: what each depends on, as go list says.
func TestProgramsLinkNoMoreThanTheyNeed(t *testing.T) {
	const pebble, raft, nats = "github.com/cockroachdb/pebble", "go.etcd.io/raft", "github.com/nats-io"
	for program, banned := range map[string][]string{
		// No other program's messages come to it; and with templates the linker keeps every exported method of all else.
		"quorate":           {"buf.build/go/protovalidate", "github.com/google/cel-go", "text/template"},
		"quorate-consensus": {nats},
		"quorate-lease":     {pebble, raft, nats},
		"quorate-watch":     {pebble, raft},
		"quorate-api":       {pebble, raft, nats},
	} {
		list := exec.Command("go", "list", "-tags", "grpcnotrace", "-deps", "./cmd/"+program) // the tag that make build gives
		list.Dir = filepath.Join(harness.Root(), "services", "quorate")
		out, err := list.Output()
		require.NoError(t, err, program)
		require.Contains(t, string(out), "quorate/services/quorate/", program)
		for _, path := range strings.Fields(string(out)) {
			for _, b := range banned {
				require.False(t, path == b || strings.HasPrefix(path, b+"/"), "%s links %s", program, path)
			}
		}
	}
}

// Goal: whichever node fails, nothing that was acknowledged is lost, no event is lost, doubled or reordered, and no lease
// that is kept alive ends. Method: writers, a watcher and a kept lease on both API nodes while each node is paused and
// killed in turn. Each fault lasts until the load has got on during it, and is over once it has got on after it.
func TestFaultsGoUnnoticed(t *testing.T) {
	s := start(t, harness.Sizes{Consensus: 3, Lease: 2, Watch: 2, API: 2}, false)
	l := begin(t, s)
	for _, kind := range []struct {
		name  string
		nodes harness.Cluster
	}{{"api", s.API}, {"watch", s.Watch}, {"lease", s.Lease}, {"consensus", s.Consensus}} {
		for i, one := range kind.nodes {
			name := fmt.Sprintf("%s %d", kind.name, i)
			// Of a server that is paused a client learns by its own pings alone, which clientv3 does not send unless told to.
			if kind.name != "api" {
				require.NoError(t, one.Pause())
				l.advance("while paused is " + name)
				require.NoError(t, one.Resume())
				l.advance("after the pause of " + name)
			}
			one.Kill()
			l.advance("while dead is " + name)
			require.NoError(t, one.Start(context.Background()))
			l.advance("after the death of " + name)
		}
	}
	l.finish()
}

// Goal: a client that takes its endpoints from the member list, as clientv3's Sync does, is left with some that serve, also where the
// members do not know where the API's nodes are. Method: members that advertise nothing; a client of one API node syncs, and puts and
// reads by what it was told.
func TestSyncLeavesUsableEndpoints(t *testing.T) {
	s := startWith(t, harness.ApartConfig{
		DataDir: t.TempDir(), Sizes: harness.Sizes{Consensus: 1, Lease: 1, Watch: 1, API: 1},
		ConsensusArgs: []string{"--advertise-client-urls="},
	})
	client := dial(t, s.Endpoints()...)
	ctx := harness.Context(t)
	members, err := client.MemberList(ctx)
	require.NoError(t, err)
	require.Len(t, members.Members, 1)
	require.NoError(t, client.Sync(ctx))
	told := client.Endpoints()
	require.Equal(t, []string{s.API[0].URL()}, told)
	synced := dial(t, told...)
	_, err = synced.Put(ctx, "told", "yes")
	require.NoError(t, err)
	got, err := client.Get(ctx, "told")
	require.NoError(t, err)
	require.Equal(t, "yes", string(got.Kvs[0].Value))
}
