// Package transfer holds the commands that write keys to a file and read them back: lines of JSON, so that people and scripts can read, sort and
// change them, and that hold any bytes.
package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// format is the version of the lines.
const format = 1

// line is one line of a file: the first says of what it is, the last that there are no more, and each between them is a key.
type line struct {
	// Of the first.
	Export   int    `json:"quorate_export,omitempty"`
	Revision int64  `json:"revision,omitempty"`
	Prefix   []byte `json:"prefix,omitempty"`
	// Keys is how many there were when it began, and in the last line how many lines there are.
	Keys int64 `json:"keys,omitempty"`
	End  bool  `json:"end,omitempty"`

	// Of a key. What is UTF-8 stands as it is, anything else in base64, which the other field has.
	Key            *string `json:"key,omitempty"`
	KeyBase64      []byte  `json:"key_base64,omitempty"`
	Value          *string `json:"value,omitempty"`
	ValueBase64    []byte  `json:"value_base64,omitempty"`
	Lease          int64   `json:"lease,omitempty"`
	CreateRevision int64   `json:"create_revision,omitempty"`
	ModRevision    int64   `json:"mod_revision,omitempty"`
	Version        int64   `json:"version,omitempty"`
}

func text(b []byte) (asText *string, asBytes []byte) {
	if !utf8.Valid(b) {
		return nil, b
	}
	s := string(b)
	return &s, nil
}

func lineOf(kv *mvccpb.KeyValue) *line {
	l := &line{Lease: kv.GetLease(), CreateRevision: kv.GetCreateRevision(), ModRevision: kv.GetModRevision(), Version: kv.GetVersion()}
	l.Key, l.KeyBase64 = text(kv.GetKey())
	l.Value, l.ValueBase64 = text(kv.GetValue())
	return l
}

func (l *line) key() string {
	if l.Key != nil {
		return *l.Key
	}
	return string(l.KeyBase64)
}

func (l *line) value() string {
	if l.Value != nil {
		return *l.Value
	}
	return string(l.ValueBase64)
}

// parse reads a line, and refuses one that is none of ours.
func parse(b []byte) (*line, error) {
	l := &line{}
	if err := json.Unmarshal(b, l); err != nil {
		return nil, fmt.Errorf("it is no JSON of an export: %w", err)
	}
	switch {
	case l.Export > format:
		return nil, fmt.Errorf("it is of format %d, and this program knows %d: use a newer one", l.Export, format)
	case l.Export > 0, l.End, l.key() != "":
		return l, nil
	}
	return nil, errors.New("it has no key")
}
