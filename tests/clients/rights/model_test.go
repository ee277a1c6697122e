package rights

import (
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// The model knows rights key by key: whoever may do something with all keys of a range may do it with the range. Instead of all keys it
// tries those of an alphabet that has every letter of the test's ranges and its neighbours.

// keys are the ranges that the matrix asks for: as requests have them, and which keys are theirs.
type keys struct {
	name     string
	key, end string
	holds    func(key string) bool
}

func single(key string) keys {
	return keys{"the key " + key, key, "", func(other string) bool { return other == key }}
}

func ranges() []keys {
	return []keys{
		single("m/k"),
		single("n/x"),
		{"a range below m/", "m/a", "m/l", func(key string) bool { return key >= "m/a" && key < "m/l" }},
		{"the prefix m/", "m/", "m0", func(key string) bool { return strings.HasPrefix(key, "m/") }},
		{"a range across prefixes", "m/k", "n/x", func(key string) bool { return key >= "m/k" && key < "n/x" }},
		{"from m/k on", "m/k", "\x00", func(key string) bool { return key >= "m/k" }},
		{"from n/ on", "n/", "\x00", func(key string) bool { return key >= "n/" }},
		{"everything", "\x00", "\x00", func(string) bool { return true }},
	}
}

// probes are all words of one to three letters, and the keys of locks and elections.
var probes = func() (words []string) {
	letters := []string{"\x00", "/", "0", "a", "k", "l", "m", "n", "x", "\xff"}
	last := []string{""}
	for range 3 {
		var longer []string
		for _, word := range last {
			for _, letter := range letters {
				longer = append(longer, word+letter)
			}
		}
		words, last = append(words, longer...), longer
	}
	return append(words, turnKeys()...)
}()

// need is that all keys of a range may be read, or written.
type need struct {
	write bool
	holds func(key string) bool
}

// level is what a method needs beside keys.
type level int

const (
	nothing level = iota // not even a name
	name
	root
)

// expected is the refusal of a call that needs a level and keys by who calls, nil for none.
func expected(who *identity, least level, needs []need) error {
	switch {
	case least == nothing, who.root:
		return nil
	case who.refusal != nil:
		return who.refusal
	case least == root:
		return rpctypes.ErrGRPCPermissionDenied
	}
	for _, n := range needs {
		may := who.read
		if n.write {
			may = who.write
		}
		for _, key := range probes {
			if n.holds(key) && !may(key) {
				return rpctypes.ErrGRPCPermissionDenied
			}
		}
	}
	return nil
}
