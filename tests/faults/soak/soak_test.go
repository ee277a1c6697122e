package soak

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	durationEnv = "QUORATE_TEST_SOAK"
	// warmUp is how long the cluster is used before the first look: caches fill up.
	warmUp = 3 * time.Minute
	// restartEvery is how long members are left alone between two restarts.
	restartEvery = 45 * time.Second
	// quietWithin is how long an unused cluster may take to be as it was.
	quietWithin = 2 * time.Minute
)

// figures are what a process has.
type figures struct{ memoryKB, goroutines, descriptors int64 }

func (f figures) String() string {
	return fmt.Sprintf("%d MB, %d goroutines, %d descriptors", f.memoryKB>>10, f.goroutines, f.descriptors)
}

// exceeds tells what is more than it was, and more than may be by chance: what is kept, and does not come back, adds up.
func (f figures) exceeds(was figures) bool {
	return f.memoryKB > was.memoryKB+was.memoryKB/5+16<<10 || f.goroutines > was.goroutines+20 || f.descriptors > was.descriptors+10
}

// look reads a member's figures.
func look(t *testing.T, s *harness.Server) (f figures) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	require.NoError(t, err)
	f.memoryKB = number(t, string(status), "RssAnon:")
	answer, err := http.Get(s.URL() + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "go_goroutines ") {
			f.goroutines = number(t, lines.Text(), "go_goroutines ")
		}
	}
	require.Positive(t, f.goroutines)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	require.NoError(t, err)
	f.descriptors = int64(len(open))
	return f
}

// number is the one behind a name.
func number(t *testing.T, text, name string) int64 {
	t.Helper()
	_, rest, found := strings.Cut(text, name)
	require.True(t, found, name)
	n, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	require.NoError(t, err)
	return int64(n)
}

// Goal: a cluster that is used for long has afterwards what it had in the beginning. Method: three members under a mixture of clients that come and go, two of
// which are restarted or killed in turn all the time; the third one's memory, goroutines and descriptors after the first minutes are compared with those at
// the end, both times with nobody there.
func TestSoak(t *testing.T) {
	text := os.Getenv(durationEnv)
	if text == "" {
		t.Skipf("%s does not say for how long: make soak FOR=30m does", durationEnv)
	}
	length, err := time.ParseDuration(text)
	require.NoError(t, err)
	binary, err := harness.Binary()
	require.NoError(t, err)
	members := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir()}, 3)
	t.Cleanup(members.Kill)
	require.NoError(t, members.Start(harness.Context(t)))
	c := &clients{}
	for _, m := range members {
		c.endpoints = append(c.endpoints, m.Endpoint())
	}
	use(t, c, members, warmUp)
	before := quiet(t, members, nil)
	t.Logf("after %v: %v", warmUp, before)
	use(t, c, members, length)
	after := quiet(t, members, before)
	t.Logf("after %v: %v", warmUp+length, after)
	t.Logf("%d writes, %d reads, %d lists, %d transactions, %d watches with %d events, %d leases; %d requests failed while members restarted",
		c.writes.Load(), c.reads.Load(), c.lists.Load(), c.txns.Load(), c.watches.Load(), c.events.Load(), c.leases.Load(), c.failed.Load())
	if wrong := c.wrong.Load(); wrong != nil {
		t.Fatal(*wrong)
	}
	for i, m := range members {
		require.False(t, after[i].exceeds(before[i]), "member %d had %v and has %v\n%s", i, before[i], after[i], m.Output())
	}
}

// use has clients use the cluster for a time, while all members but the first are restarted in turn, every other time by kill -9.
func use(t *testing.T, c *clients, members harness.Cluster, length time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(ctx)
	}()
	began := time.Now()
	ticker := time.NewTicker(restartEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			<-done
			return
		case <-ticker.C:
		}
		m := members[1+n%(len(members)-1)]
		if n%4 < 2 {
			code, err := m.Stop(syscall.SIGTERM)
			require.NoError(t, err)
			require.Zero(t, code)
		} else {
			m.Kill()
		}
		require.NoError(t, m.Start(harness.Context(t)))
		t.Logf("%v: %v; %d writes", time.Since(began).Round(time.Second), look(t, members[0]), c.writes.Load())
	}
}

// quiet waits until what clients left behind is gone, and then for figures that are no more than they were, if that is known. It returns the last figures.
func quiet(t *testing.T, members harness.Cluster, was []figures) []figures {
	t.Helper()
	client, err := harness.Dial(members[0].Endpoint())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		left, err := client.Leases(t.Context())
		return err == nil && len(left.Leases) == 0
	}, quietWithin, time.Second, "leases end")
	head, err := client.Get(t.Context(), "x")
	require.NoError(t, err)
	_, err = client.Compact(t.Context(), head.Header.Revision, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	require.NoError(t, client.Close())
	looks := func() (all []figures) {
		for _, m := range members {
			all = append(all, look(t, m))
		}
		return all
	}
	now := looks()
	if was == nil { // memory is given back within half a minute
		was = make([]figures, len(members))
	}
	for deadline := time.Now().Add(quietWithin); time.Now().Before(deadline); now = looks() {
		more := false
		for i := range now {
			more = more || now[i].exceeds(was[i])
		}
		if !more {
			return now
		}
		select {
		case <-time.After(5 * time.Second):
		case <-t.Context().Done():
		}
	}
	return now
}
