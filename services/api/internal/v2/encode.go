package v2

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Events are what nearly all answers are, and are encoded without reflection, which took as long as reading them. The bytes are
// those of encoding/json, by the tags of event and node.

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
