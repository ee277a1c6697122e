package etcdctl

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: every lease command. Method: what is printed through the life of one lease.
func TestLease(t *testing.T) {
	c := open(t)
	granted := regexp.MustCompile(`^lease ([0-9a-f]{16}) granted with TTL\(600s\)\n$`).FindStringSubmatch(c.ok("lease", "grant", "600"))
	require.NotNil(t, granted)
	id := granted[1]
	c.ok("put", "--lease="+id, "lease/a", "1")
	require.Regexp(t, `^lease `+id+` granted with TTL\(600s\), remaining\((600|5\d\d)s\), attached keys\(\[lease/a\]\)\n$`, c.ok("lease", "timetolive", "--keys", id))
	require.Contains(t, c.ok("lease", "list"), id)
	require.Equal(t, "lease "+id+" keepalived with TTL(600)\n", c.ok("lease", "keep-alive", "--once", id))
	c.ok("put", "--ignore-lease", "lease/a", "2")
	c.given("", "put", "--ignore-value", "--lease="+id, "lease/a")
	require.Equal(t, "lease/a\n2\n", c.ok("get", "lease/a"))
	require.Equal(t, "lease "+id+" revoked\n", c.ok("lease", "revoke", id))
	require.Empty(t, c.ok("get", "lease/a"))
	require.Equal(t, "lease "+id+" already expired\n", c.ok("lease", "timetolive", id))
	require.Contains(t, c.fails("put", "--lease="+id, "lease/a", "3"), "etcdserver: requested lease not found")
	require.Contains(t, c.fails("lease", "revoke", id), "etcdserver: requested lease not found")
}
