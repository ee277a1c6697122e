package kv

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3/command"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

// Goal: lines of transactions and watches split as etcdctl splits them. Method: both split the same lines.
func TestWordsAreEtcdctls(t *testing.T) {
	for _, line := range []string{
		``, ` `, `put k v`, "  put\tk   v ", `put "a b" 'c d'`, `put "a\"b" 'c"d'`, `put "a\n\x00" 'c\n'`, `put a"b c`, `put a'b c'd`,
		`put ""`, `put '' x`, `"unclosed`, `'unclosed x`, `a "b`, `"a"b`, `"a""b"`, `put k "größe" größe`, `watch foo --rev 1 -- echo "a b"`, `"\\" x`,
	} {
		ours, err := words(line)
		require.NoError(t, err, line)
		assert.Equal(t, command.Argify(line), ours, "%s", line)
	}
	_, err := words(`put "\q"`)
	require.Equal(t, exit.Input, exit.Code(err))
}

// Goal: comparisons are read as etcdctl reads them. Method: both read the same lines; what only we read or refuse without a panic is apart.
func TestComparisonsAreEtcdctls(t *testing.T) {
	for _, line := range []string{
		`mod("k") > "0"`, `m("k") = "1"`, `c("k") < "2"`, `create("k") != "3"`, `ver("k") > "4"`, `version("k")   >   "5"`, `val("k") = "x y"`,
		`value("a\"b") != "\x00"`, `val( "k") = "v"`, `val("k") = "v" and more`, "val(`k`) = `v`",
		``, `mod`, `mod()`, `mod("k")`, `mod("k") >`, `mod("k") > 0`, `mod(k) > "0"`, `mod("k" > "0"`, `mod("k") >"0"`, `mod("k") > "x"`, `foo("k") > "0"`,
		`mod ("k") > "0"`, `val('k') = 'v'`,
	} {
		theirs, err := command.ParseCompare(line)
		ours, ourErr := parseCompare(line)
		if err != nil {
			assert.Equal(t, exit.Input, exit.Code(ourErr), "%s: etcdctl says %v", line, err)
			continue
		}
		if assert.NoError(t, ourErr, line) {
			assert.Equal(t, *theirs, ours, line)
		}
	}
	for _, line := range []string{`val("k") == "v"`, `mod("k") >= "1"`, `lease("k") = "not hexadecimal"`} {
		_, err := parseCompare(line)
		assert.Equal(t, exit.Input, exit.Code(err), line)
	}
	lease, err := parseCompare(`lease("k") = "1f"`)
	require.NoError(t, err)
	require.Equal(t, clientv3.Compare(clientv3.LeaseValue("k"), "=", 0x1f), lease)
}

// Goal: requests of a transaction take the flags of the command line. Method: each kind of request, and ones that are none.
func TestOperations(t *testing.T) {
	op, err := parseOperation(`put k "a b" --lease=1f --prev-kv`)
	require.NoError(t, err)
	require.True(t, op.IsPut())
	require.Equal(t, "a b", string(op.ValueBytes()))
	op, err = parseOperation(`get k --prefix --limit 3`)
	require.NoError(t, err)
	require.True(t, op.IsGet())
	require.Equal(t, "l", string(op.RangeBytes()))
	op, err = parseOperation(`del k l`)
	require.NoError(t, err)
	require.True(t, op.IsDelete())
	op, err = parseOperation(`put k -- -v`)
	require.NoError(t, err)
	require.Equal(t, "-v", string(op.ValueBytes()))
	for line, code := range map[string]int{`put`: exit.Input, `puts k v`: exit.Input, `put k`: exit.Arguments, `get k --nonsense`: exit.Input, `del a b c`: exit.Arguments} {
		_, err := parseOperation(line)
		assert.Equal(t, code, exit.Code(err), line)
	}
}
