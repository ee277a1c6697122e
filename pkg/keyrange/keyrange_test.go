package keyrange

import "testing"

// Goal: a range of a prefix has all keys that begin with it and no other. Method: prefixes with their ends, among them those that end in the
// largest byte.
func TestPrefix(t *testing.T) {
	for _, c := range []struct{ prefix, key, end string }{
		{"a", "a", "b"}, {"a/", "a/", "a0"}, {"a\xff", "a\xff", "b"}, {"\xff\xff", "\xff\xff", "\x00"}, {"", "\x00", "\x00"},
	} {
		key, end := Prefix([]byte(c.prefix))
		if string(key) != c.key || string(end) != c.end {
			t.Errorf("%q: from %q to %q, not %q to %q", c.prefix, key, end, c.key, c.end)
		}
	}
}

// Goal: nothing lies between a key and what comes after it. Method: one key.
func TestAfter(t *testing.T) {
	key := []byte("ab")[:1]
	if got := string(After(key)); got != "a\x00" {
		t.Errorf("%q", got)
	}
}
