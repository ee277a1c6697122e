package kv

import (
	"slices"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

// parseCompare makes a comparison of a line such as mod("key") > "5".
func parseCompare(line string) (clientv3.Cmp, error) {
	target, rest, found := strings.Cut(line, "(")
	key, rest, quotedKey := cutQuoted(strings.TrimLeft(rest, " \t"))
	rest, closed := strings.CutPrefix(rest, ")")
	operator, rest, spaced := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
	value, _, quotedValue := cutQuoted(strings.TrimLeft(rest, " \t")) // as with etcdctl, what follows is not looked at
	if !found || !quotedKey || !closed || !spaced || !quotedValue {
		return clientv3.Cmp{}, exit.Withf(exit.Input, `malformed comparison: %s; a comparison looks like mod("key") > "0"`, line)
	}
	if !slices.Contains([]string{"=", "!=", "<", ">"}, operator) {
		return clientv3.Cmp{}, exit.Withf(exit.Input, "malformed comparison: %s: %s is not one of =, !=, < and >", line, operator)
	}
	number := func(of clientv3.Cmp, base int) (clientv3.Cmp, error) {
		n, err := strconv.ParseInt(value, base, 64)
		if err != nil {
			return clientv3.Cmp{}, exit.Withf(exit.Input, "invalid txn compare request: %s: %w", line, err)
		}
		return clientv3.Compare(of, operator, n), nil
	}
	switch target {
	case "ver", "version":
		return number(clientv3.Version(key), 10)
	case "c", "create":
		return number(clientv3.CreateRevision(key), 10)
	case "m", "mod":
		return number(clientv3.ModRevision(key), 10)
	case "val", "value":
		return clientv3.Compare(clientv3.Value(key), operator, value), nil
	case "lease": // as everywhere, a lease's id is hexadecimal
		return number(clientv3.LeaseValue(key), 16)
	}
	return clientv3.Cmp{}, exit.Withf(exit.Input, "malformed comparison: %s: unknown target %q; there are val, ver, c, m and lease", line, target)
}

// cutQuoted cuts a quoted string off the front.
func cutQuoted(s string) (value, rest string, ok bool) {
	prefix, err := strconv.QuotedPrefix(s)
	if err != nil || prefix[0] == '\'' {
		return "", s, false
	}
	value, err = strconv.Unquote(prefix)
	return value, s[len(prefix):], err == nil
}
