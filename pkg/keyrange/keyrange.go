// Package keyrange makes ranges of keys as etcd's API has them: from a key to before an end, where the end "\0" stands for all keys that
// come after. It knows no store.
package keyrange

import "bytes"

// Prefix returns the range of all keys that begin with a prefix, of all keys where that is empty. The key is the prefix itself, not a copy.
func Prefix(prefix []byte) (key, end []byte) {
	if len(prefix) == 0 {
		return []byte{0}, []byte{0}
	}
	end = bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return prefix, end[:i+1]
		}
	}
	return prefix, []byte{0}
}

// After returns the first key behind another one: where reading goes on that has come to that one.
func After(key []byte) []byte { return append(bytes.Clone(key), 0) }
