package etcdctl

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// revision runs a command and returns the revision that its answer was given at.
func (c *ctl) revision(args ...string) int64 {
	c.t.Helper()
	var out struct {
		Header struct{ Revision int64 }
	}
	require.NoError(c.t, json.Unmarshal([]byte(c.ok(append(args, "-w=json")...)), &out))
	return out.Header.Revision
}

// Goal: put and get, with every flag. Method: what is printed.
func TestPutAndGet(t *testing.T) {
	c := open(t)
	require.Equal(t, "OK\n", c.ok("put", "kv/a", "1"))
	require.Equal(t, "kv/a\n1\n", c.ok("get", "kv/a"))
	require.Equal(t, "OK\nkv/a\n1\n", c.ok("put", "--prev-kv", "kv/a", "2"))
	first := c.revision("put", "kv/a", "2")
	require.Equal(t, "OK\n", c.given("from standard input", "put", "kv/b"))
	require.Equal(t, "OK\n", c.ok("put", "kv/c", "--", "-dash"))

	for args, want := range map[string]string{
		"kv/ --prefix":                             "kv/a\n2\nkv/b\nfrom standard input\nkv/c\n-dash\n",
		"kv/ --prefix --keys-only":                 "kv/a\n\nkv/b\n\nkv/c\n\n",
		"kv/ --prefix --print-value-only":          "2\nfrom standard input\n-dash\n",
		"kv/ --prefix --limit=1":                   "kv/a\n2\n",
		"kv/ --prefix --order=DESCEND --keys-only": "kv/c\n\nkv/b\n\nkv/a\n\n",
		"kv/ --prefix --sort-by=VALUE --keys-only": "kv/c\n\nkv/a\n\nkv/b\n\n",
		"kv/ --prefix --sort-by=VERSION --limit=1": "kv/b\nfrom standard input\n",
		"kv/ --prefix --consistency=s --limit=1":   "kv/a\n2\n",
		"kv/ --prefix --stream --print-value-only": "2\nfrom standard input\n-dash\n",
		"kv/a kv/b":                    "kv/a\n2\n",
		"kv/b kv/z --print-value-only": "from standard input\n-dash\n",
		"kv/none":                      "",
		"kv/ --prefix --rev=" + strconv.FormatInt(first, 10): "kv/a\n2\n",
	} {
		require.Equal(t, want, c.ok(append([]string{"get"}, strings.Fields(args)...)...), args)
	}
	require.Contains(t, c.ok("get", "kv/", "--prefix", "--count-only", "-w=fields"), `"Count" : 3`)
	require.Equal(t, "kv/a\n2\n", c.ok("get", "kv/", "--prefix", "--max-mod-rev="+strconv.FormatInt(first, 10)))
	require.Equal(t, "kv/b\n", strings.SplitAfter(c.ok("get", "kv/", "--prefix", "--min-create-rev="+strconv.FormatInt(first+1, 10)), "\n")[0])
	require.True(t, strings.HasPrefix(c.ok("get", "kv/b", "--from-key"), "kv/b\nfrom standard input\n"))
	require.Contains(t, c.fails("get", "kv/a", "--rev=99999999"), "etcdserver: mvcc: required revision is a future revision")

	var out struct {
		Kvs   []struct{ Key, Value []byte }
		Count int
	}
	require.NoError(t, json.Unmarshal([]byte(c.ok("get", "kv/a", "-w=json")), &out))
	require.Equal(t, "2", string(out.Kvs[0].Value))
	require.Equal(t, 1, out.Count)
}

// Goal: delete, with its flags. Method: what is printed, and what is left.
func TestDelete(t *testing.T) {
	c := open(t)
	for _, name := range []string{"a", "b", "b2", "c", "d"} {
		c.ok("put", "del/"+name, "value")
	}
	require.Equal(t, "1\n", c.ok("del", "del/a"))
	require.Equal(t, "0\n", c.ok("del", "del/a"))
	require.Equal(t, "2\n", c.ok("del", "--prefix", "del/b"))
	require.Equal(t, "1\ndel/c\nvalue\n", c.ok("del", "--prev-kv", "del/c", "del/d"))
	require.Equal(t, "del/d\nvalue\n", c.ok("get", "--prefix", "del/"))
}

// Goal: transactions from standard input. Method: both branches.
func TestTxn(t *testing.T) {
	c := open(t)
	c.ok("put", "txn/a", "1")
	txn := "val(\"txn/a\") = \"1\"\nver(\"txn/a\") > \"0\"\n\nput txn/b yes\nput txn/a 2\n\nput txn/b no\nget txn/a\n\n"
	require.Equal(t, "SUCCESS\n\nOK\n\nOK\n", c.given(txn, "txn"))
	require.Equal(t, "FAILURE\n\nOK\n\ntxn/a\n2\n", c.given(txn, "txn"))
	require.Equal(t, "txn/b\nno\n", c.ok("get", "txn/b"))
	require.Contains(t, c.failsGiven("\nput txn/a 1\nput txn/a 2\n\n\n", "txn"), "etcdserver: duplicate key given in txn request")
}

// failsGiven is fails with something on standard input.
func (c *ctl) failsGiven(input string, args ...string) string {
	c.t.Helper()
	cmd := c.command(args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	require.Error(c.t, err, "%s", out)
	return string(out)
}
