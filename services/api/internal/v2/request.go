package v2

import (
	"fmt"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// query is a request of /v2/keys with its parameters.
type query struct {
	method string
	path   string

	value      string
	ttl        *uint64
	prevValue  string
	prevIndex  uint64
	prevExist  *bool
	waitIndex  uint64
	dir        bool
	recursive  bool
	quorum     bool
	wait       bool
	stream     bool
	refresh    bool
	valueless  bool // noValueOnSuccess
	expiration int64
}

// cleanPath returns the path of a node. What the URL has escaped, such as "..", never leads above the root.
func cleanPath(r *http.Request) string {
	below := strings.TrimPrefix(r.URL.Path, "/v2/keys")
	if !strings.HasPrefix(below, "/") {
		below = "/" + below
	}
	return path.Clean(below)
}

// read reads a request. All parameters are checked whatever the method is, in etcd's order, so that a client with two
// mistakes is told of the same one.
func read(r *http.Request, now time.Time) (*query, *keysError) {
	var room [parametersUsual]parameter
	given, err := parameters(room[:0]).of(r)
	if err != nil {
		return nil, newKeysError(codeInvalidForm, err.Error())
	}
	var wrong *keysError
	f := form{given, &wrong}
	q := &query{method: r.Method, path: cleanPath(r), value: f.get("value"), prevValue: f.get("prevValue")}
	q.prevIndex = f.index("prevIndex")
	q.waitIndex = f.index("waitIndex")
	q.recursive = f.bool("recursive")
	f.bool("sorted") // listings are always sorted
	q.wait = f.bool("wait")
	q.dir = f.bool("dir")
	q.quorum = f.bool("quorum")
	q.stream = f.bool("stream")
	if q.wait && r.Method != http.MethodGet {
		f.refuse(codeInvalidField, `"wait" can only be used with GET requests`)
	}
	if f.has("prevValue") && q.prevValue == "" {
		f.refuse(codePrevValueRequired, `"prevValue" cannot be empty`)
	}
	q.valueless = f.bool("noValueOnSuccess")
	q.ttl = f.ttl()
	q.prevExist = f.optionalBool("prevExist")
	q.refresh = f.refresh(q)
	if wrong == nil && q.ttl != nil {
		q.expiration = f.expiration(now, *q.ttl)
	}
	return q, wrong
}

// form reads parameters and remembers the first one that is wrong.
type form struct {
	parameters
	wrong **keysError // stands elsewhere, or the parameters would leave the stack with it
}

func (f *form) refuse(c code, cause string) {
	if *f.wrong == nil {
		*f.wrong = newKeysError(c, cause)
	}
}

// index reads a number, 0 if it is not given.
func (f *form) index(name string) uint64 {
	if !f.has(name) {
		return 0
	}
	n, err := strconv.ParseUint(f.get(name), 10, 64)
	if err != nil {
		f.refuse(codeIndexNotNumber, fmt.Sprintf("invalid value for %q", name))
	}
	return n
}

func (f *form) bool(name string) bool {
	if !f.has(name) {
		return false
	}
	b, err := strconv.ParseBool(f.get(name))
	if err != nil {
		f.refuse(codeInvalidField, fmt.Sprintf("invalid value for %q", name))
	}
	return b
}

// optionalBool is bool for the parameters that etcd complains of without quotes. It returns nil if there is none.
func (f *form) optionalBool(name string) *bool {
	if !f.has(name) {
		return nil
	}
	b, err := strconv.ParseBool(f.get(name))
	if err != nil {
		f.refuse(codeInvalidField, "invalid value for "+name)
	}
	return &b
}

// ttl returns nil for none, which an empty value stands for too.
func (f *form) ttl() *uint64 {
	if f.get("ttl") == "" {
		return nil
	}
	n, err := strconv.ParseUint(f.get("ttl"), 10, 64)
	if err != nil {
		f.refuse(codeTTLNotNumber, `invalid value for "ttl"`)
	}
	return &n
}

func (f *form) refresh(q *query) bool {
	b := f.optionalBool("refresh")
	if b == nil || !*b {
		return false
	}
	if q.value != "" {
		f.refuse(codeRefreshValue, "A value was provided on a refresh")
	}
	if q.ttl == nil {
		f.refuse(codeRefreshTTL, "No TTL value set")
	}
	return true
}

// expiration returns the moment that lies a TTL after now, in nanoseconds since 1970. A moment that these cannot say,
// after the year 2262, is refused.
func (f *form) expiration(now time.Time, ttl uint64) int64 {
	begin := now.UnixNano()
	if ttl > uint64(math.MaxInt64-begin)/uint64(time.Second) {
		f.refuse(codeTTLNotNumber, `invalid value for "ttl"`)
		return 0
	}
	return begin + int64(ttl)*int64(time.Second)
}
