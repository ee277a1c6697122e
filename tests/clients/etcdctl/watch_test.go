package etcdctl

import (
	"bufio"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// watch runs a watch for the length of the test and returns the lines that it prints.
func (c *ctl) watch(args ...string) <-chan string {
	c.t.Helper()
	cmd := c.command(append([]string{"watch"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, cmd.Start())
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	c.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range lines {
		}
		_ = cmd.Wait()
	})
	return lines
}

// lines reads n lines; the command's own time limit ends a wait for what does not come.
func (c *ctl) lines(from <-chan string, n int) []string {
	c.t.Helper()
	var lines []string
	for range n {
		line, ok := <-from
		require.True(c.t, ok, "the watch ended after %q", lines)
		lines = append(lines, line)
	}
	return lines
}

// Goal: watch prints what happened from a revision on, and goes on. Method: history first, then a put while it runs.
func TestWatch(t *testing.T) {
	c := open(t)
	from := strconv.FormatInt(c.revision("put", "watch/a", "1"), 10)
	c.ok("put", "watch/a", "2")
	c.ok("del", "watch/a")
	all := c.watch("watch/", "--prefix", "--rev="+from, "--prev-kv")
	require.Equal(t, []string{
		"PUT", "watch/a", "1",
		"PUT", "watch/a", "1", "watch/a", "2",
		"DELETE", "watch/a", "2", "watch/a", "",
	}, c.lines(all, 13))
	between := c.watch("watch/b", "watch/c", "--rev="+from)
	c.ok("put", "watch/b", "3")
	require.Equal(t, []string{"PUT", "watch/b", "3"}, c.lines(all, 3))
	require.Equal(t, []string{"PUT", "watch/b", "3"}, c.lines(between, 3))
}

// Goal: a watch of the compacted past ends with the reason. Method: compact, then watch from below.
func TestWatchCompacted(t *testing.T) {
	c := own(t)
	for range 4 {
		c.ok("put", "a", "v")
	}
	require.Equal(t, "compacted revision 4\n", c.ok("compaction", "4"))
	require.Contains(t, c.fails("compaction", "4"), "etcdserver: mvcc: required revision has been compacted")
	require.Contains(t, c.fails("get", "a", "--rev=3"), "etcdserver: mvcc: required revision has been compacted")
	require.Equal(t, "compacted revision 5\n", c.ok("compaction", "--physical", "5"))
	require.Contains(t, c.fails("watch", "a", "--rev=2"), "watch was canceled (etcdserver: mvcc: required revision has been compacted)")
}
