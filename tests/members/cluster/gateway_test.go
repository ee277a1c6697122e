package cluster

import (
	"bytes"
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: clients that know one address find the members that are there, before and after one is lost, and a gateway that is told to stop does. Method: new clients
// of a gateway in front of three members, one of which is killed.
func TestGatewayPassesOverAMemberThatIsLost(t *testing.T) {
	t.Parallel()
	members := startCluster(t, 3)
	ctx := harness.Context(t)
	at := fmt.Sprintf("127.0.0.1:%d", harness.FreePort())
	gateway := exec.Command(members[0].Binary(), "gateway", "start", "--listen-addr", at, "--retry-delay=50ms",
		"--endpoints", members[0].Endpoint()+","+members[1].URL()+","+members[2].Endpoint())
	lines, err := gateway.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, gateway.Start())
	defer func() { _ = gateway.Process.Kill() }()
	first := make([]byte, 1)
	_, err = lines.Read(first) // it says when it is ready
	require.NoError(t, err)

	put := func(value string) {
		client, err := harness.Dial(at)
		require.NoError(t, err)
		defer client.Close()
		_, err = client.Put(ctx, "k", value)
		require.NoError(t, err)
	}
	for i := range len(members) {
		put(fmt.Sprint("before ", i))
	}
	lost := members[2]
	status, err := harness.Client(t, lost).Status(ctx, lost.Endpoint())
	require.NoError(t, err)
	if status.Leader == status.Header.MemberId { // whose loss a put may hear of
		lost = members[1]
	}
	lost.Kill()
	for i := range 2 * len(members) {
		put(fmt.Sprint("after ", i))
	}
	got, err := harness.Client(t, members[0]).Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "after 5", string(got.Kvs[0].Value))
	require.EqualValues(t, 9, got.Kvs[0].Version)

	require.NoError(t, gateway.Process.Signal(syscall.SIGTERM))
	var rest bytes.Buffer
	_, _ = rest.ReadFrom(lines)
	require.NoError(t, gateway.Wait(), rest.String())
	require.Contains(t, rest.String(), "cannot reach an endpoint")
}

// Goal: a gateway that cannot work says why, and ends. Method: command lines.
func TestGatewayThatCannotWork(t *testing.T) {
	t.Parallel()
	members := startCluster(t, 1)
	for name, test := range map[string]struct {
		args []string
		says string
		code int
	}{
		"no command":    {nil, "start is its only command", 2},
		"unknown flag":  {[]string{"start", "--bogus"}, "not defined: -bogus", 2},
		"no port":       {[]string{"start", "--endpoints=localhost"}, `"localhost" is no host:port`, 1},
		"delay":         {[]string{"start", "--retry-delay=0s"}, "must be above zero", 2},
		"itself":        {[]string{"start", "--listen-addr=127.0.0.1:23790", "--endpoints=localhost:23790"}, "where the gateway listens", 1},
		"port in use":   {[]string{"start", "--listen-addr=" + members[0].Endpoint(), "--endpoints=127.0.0.1:1"}, "address already in use", 1},
		"CA is missing": {[]string{"start", "--discovery-srv=example.com", "--trusted-ca-file=/nowhere"}, "--trusted-ca-file", 1},
	} {
		t.Run(name, func(t *testing.T) {
			said, err := exec.Command(members[0].Binary(), append([]string{"gateway"}, test.args...)...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, test.code, exit.ExitCode(), string(said))
			require.Contains(t, string(said), test.says)
		})
	}
}
