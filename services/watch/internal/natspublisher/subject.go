package natspublisher

import "strings"

const (
	// EventSubjects is where events are published, below it a token for each part of a key.
	EventSubjects = "quorate.kv"
	// LongSubject takes the events of keys whose subject NATS would not carry.
	LongSubject = "quorate.long"
	// PositionSubject tells every second how far the publisher is.
	PositionSubject = "quorate.position"
	// subjectBytesMax leaves room for the rest of a line of NATS's protocol, which has 4096 bytes.
	subjectBytesMax = 3072
)

// Subject makes the subject of a key. The key's parts, between slashes, are the tokens; a slash in front is left out.
// Bytes that have a meaning in subjects, or are not printable ASCII, are written as % and two hexadecimal digits, and an
// empty part as % alone:
//
//	/config/db/url     quorate.kv.config.db.url
//	config/db/url      the same
//	/hosts/a.example   quorate.kv.hosts.a%2Eexample
//	/a//b/             quorate.kv.a.%.b.%
func Subject(key []byte) string {
	text, _ := strings.CutPrefix(string(key), "/")
	var b strings.Builder
	b.WriteString(EventSubjects)
	for part := range strings.SplitSeq(text, "/") {
		b.WriteByte('.')
		if part == "" {
			b.WriteByte('%')
		}
		escape(&b, part, func(c byte) bool { return c > ' ' && c < 0x7f && c != '.' && c != '*' && c != '>' && c != '%' })
		if b.Len() > subjectBytesMax {
			return LongSubject
		}
	}
	return b.String()
}

const digits = "0123456789ABCDEF"

// escape writes text with the bytes that are not plain as % and two hexadecimal digits.
func escape(b *strings.Builder, text string, plain func(byte) bool) {
	for i := range len(text) {
		if c := text[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
}

// headerText is a key as a header shows it: printable ASCII without % and spaces stays.
func headerText(key []byte) string {
	var b strings.Builder
	escape(&b, string(key), func(c byte) bool { return c > ' ' && c < 0x7f && c != '%' })
	return b.String()
}
