package kubernetes

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: an API server lives on a store: what is applied is there, in pieces too, changes are told to whoever watches, also after the store was killed and
// started anew, and what is deleted is gone. Method: the objects of a kustomization and fifty more, by kubectl, beside the keys in the store.
func TestAnAPIServerLivesOnTheStore(t *testing.T) {
	c := start(t)
	client := harness.Client(t, c.store)
	stored := func(prefix string) int64 {
		got, err := client.Get(harness.Context(t), "/registry/"+prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		require.NoError(t, err)
		return got.Count
	}
	c.do(t, "apply", "--kustomize", kustomization("members"))
	require.Equal(t, []string{"statefulset.apps/quorate"}, c.do(t, "get", "statefulsets", "--output=name"))
	require.EqualValues(t, 1, stored("statefulsets/default/quorate"))
	require.EqualValues(t, 1, stored("monitoring.coreos.com/servicemonitors/default/quorate"))

	changes := c.watch(t, "get", "statefulset", "quorate", "--watch", "--output=jsonpath={.spec.replicas}{'\\n'}")
	require.Equal(t, "3", next(t, changes))
	c.do(t, "scale", "statefulset", "quorate", "--replicas=5")
	require.Equal(t, "5", next(t, changes))
	c.store.Kill()
	require.NoError(t, c.store.Start(harness.Context(t)))
	require.Eventually(t, func() bool {
		_, err := c.kubectl(t.Context(), "", "scale", "statefulset", "quorate", "--replicas=7")
		return err == nil
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, "7", next(t, changes))

	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: many-%03d, labels: {of: many}}}\n", i)
	}
	said, err := c.kubectl(t.Context(), many.String(), "create", "--filename=-")
	require.NoError(t, err, said)
	require.Len(t, c.do(t, "get", "configmaps", "--selector=of=many", "--chunk-size=7", "--output=name"), 50)
	c.do(t, "delete", "configmaps", "--selector=of=many")
	require.Empty(t, stored("configmaps/default/many"))
	c.do(t, "delete", "--kustomize", kustomization("members"))
	require.Empty(t, stored("statefulsets/"))
}

// watch returns the lines that a command of kubectl's prints, which goes on until the test ends.
func (c *cluster) watch(t *testing.T, args ...string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, filepath.Join(c.programs, "kubectl"), append([]string{"--kubeconfig=" + c.config}, args...)...)
	printed, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines, read := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(read)
		defer close(lines)
		for text := bufio.NewScanner(printed); text.Scan(); {
			lines <- text.Text()
		}
		_, _ = io.Copy(io.Discard, printed)
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = command.Wait() // it was killed
	})
	return lines
}

// next is the next of the lines.
func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line := <-lines:
		return line
	case <-time.After(answeredWithin):
		t.Fatal("nothing is told")
		return ""
	}
}
