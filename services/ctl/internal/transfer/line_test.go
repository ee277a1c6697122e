package transfer

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Goal: a line gives back the very bytes of a key and its value, and text stands in it as text. Method: keys and values of all kinds, there and back.
func TestLinesHoldAnyBytes(t *testing.T) {
	for _, kv := range []*mvccpb.KeyValue{
		{Key: []byte("/a"), Value: []byte("text ü <&> \n \x00"), Lease: 7, Version: 3}, {Key: []byte("\xff\xfe"), Value: []byte{}}, {Key: []byte("k"), Value: []byte("\x80")},
	} {
		encoded, err := json.Marshal(lineOf(kv))
		require.NoError(t, err)
		l, err := parse(encoded)
		require.NoError(t, err)
		require.Equal(t, string(kv.GetKey()), l.key())
		require.Equal(t, string(kv.GetValue()), l.value())
		require.Equal(t, kv.GetLease(), l.Lease)
	}
	encoded, err := json.Marshal(lineOf(&mvccpb.KeyValue{Key: []byte("/a"), Value: []byte("b")}))
	require.NoError(t, err)
	require.JSONEq(t, `{"key":"/a","value":"b"}`, string(encoded))
}

// Goal: what is no line of ours is refused, with why. Method: lines by table.
func TestLinesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "it is no JSON of an export", `{"a":1}`: "it has no key", `{"quorate_export":2}`: "it is of format 2, and this program knows 1",
		`{"key_base64":"%"}`: "it is no JSON of an export",
	} {
		_, err := parse([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
