package v2

import (
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"
)

// Events are what nearly all answers are, and are encoded without reflection, which took as long as reading them. The bytes are
// those of encoding/json, by the tags of event and node.

// encodings holds memory for answers, as long as they are small.
var encodings = sync.Pool{New: func() any { return new([]byte) }}

// encodingKeptMax is how large memory may be that is kept.
const encodingKeptMax = 16 << 10

// encoded calls fn with the event in JSON, on a line. The bytes are fn's until it returns.
func (e *event) encoded(fn func([]byte)) {
	line := encodings.Get().(*[]byte)
	*line = append(e.appendTo((*line)[:0]), '\n')
	fn(*line)
	if cap(*line) <= encodingKeptMax {
		encodings.Put(line)
	}
}

// write writes the event on a line.
func (e *event) write(w io.Writer) (err error) {
	e.encoded(func(line []byte) { _, err = w.Write(line) })
	return err
}

// appendTo appends the event in JSON.
func (e *event) appendTo(b []byte) []byte {
	b = appendString(append(b, `{"action":`...), e.Action)
	if e.Node != nil {
		b = e.Node.appendTo(append(b, `,"node":`...))
	}
	if e.Prev != nil {
		b = e.Prev.appendTo(append(b, `,"prevNode":`...))
	}
	return append(b, '}')
}

func (n *node) appendTo(b []byte) []byte {
	begin := len(b)
	if n.Key != "" {
		b = appendString(append(b, `,"key":`...), n.Key)
	}
	if n.Value != nil {
		b = appendString(append(b, `,"value":`...), *n.Value)
	}
	if n.Dir {
		b = append(b, `,"dir":true`...)
	}
	if n.Expiration != nil {
		b = append(b, `,"expiration":`...)
		at, _ := n.Expiration.MarshalJSON() // fails beyond the year 9999, which an expiration cannot say
		b = append(b, at...)
	}
	b = appendNumber(b, `,"ttl":`, n.TTL)
	for i, child := range n.Nodes {
		if i == 0 {
			b = append(b, `,"nodes":[`...)
		} else {
			b = append(b, ',')
		}
		b = child.appendTo(b)
	}
	if len(n.Nodes) > 0 {
		b = append(b, ']')
	}
	b = appendNumber(b, `,"modifiedIndex":`, n.Modified)
	b = appendNumber(b, `,"createdIndex":`, n.Created)
	if len(b) == begin {
		return append(b, "{}"...)
	}
	b[begin] = '{' // in place of the first comma
	return append(b, '}')
}

// appendNumber appends a field unless it is 0.
func appendNumber(b []byte, field string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, field...), n, 10)
}

// appendString appends a string in quotes. What has to be escaped is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			escaped, _ := json.Marshal(s) // a string always can be
			return append(b, escaped...)
		}
	}
	b = append(append(b, '"'), s...)
	return append(b, '"')
}
