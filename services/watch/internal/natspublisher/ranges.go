package natspublisher

import (
	"bytes"
	"strings"
)

// everything is all keys, as Ranges has it.
var everything = [][2][]byte{{{0}, {0}}}

// Ranges returns the keys of whose events a subscription to subject may hear, from the first key of a range to before the second, which is
// empty for one key, and a zero byte for all that come after. There are two for most, with a slash in front and without.
//
//	quorate.kv.a.b      a/b, /a/b
//	quorate.kv.a.>      a/ to a0, /a/ to /a0
//	quorate.kv.a.*.b    the same: more cannot be said
//	quorate.>           all
//	quorate.position    none
func Ranges(subject string) [][2][]byte {
	rest, isEvent := strings.CutPrefix(subject, EventSubjects+".")
	if !isEvent {
		for _, pattern := range []string{EventSubjects, LongSubject} {
			if overlaps(subject, pattern) {
				return everything
			}
		}
		return nil
	}
	var key []byte
	tokens := strings.Split(rest, ".")
	for i, token := range tokens {
		if token == "*" || token == ">" {
			if i == 0 {
				return everything
			}
			end := bytes.Clone(key)
			end[len(end)-1]++ // a slash is not the last byte
			return [][2][]byte{{key, end}, {slashed(key), slashed(end)}}
		}
		key = append(key, unescape(token)...)
		if i < len(tokens)-1 {
			key = append(key, '/')
		}
	}
	return [][2][]byte{{key, nil}, {slashed(key), nil}}
}

// overlaps tells whether a subject with wildcards may be that of messages below a subject without, or of it.
func overlaps(subject, known string) bool {
	of, tokens := strings.Split(subject, "."), strings.Split(known, ".")
	for i, token := range of {
		switch {
		case token == ">" || i == len(tokens):
			return true
		case token != "*" && token != tokens[i]:
			return false
		}
	}
	return len(of) == len(tokens)
}

func slashed(key []byte) []byte { return append([]byte{'/'}, key...) }

// unescape is the part of a key that a token stands for.
func unescape(token string) (part []byte) {
	if token == "%" {
		return nil
	}
	for i := 0; i < len(token); i++ {
		if token[i] == '%' && i+2 < len(token) {
			high, low := strings.IndexByte(digits, token[i+1]), strings.IndexByte(digits, token[i+2])
			if high >= 0 && low >= 0 {
				part = append(part, byte(high<<4|low))
				i += 2
				continue
			}
		}
		part = append(part, token[i])
	}
	return part
}
