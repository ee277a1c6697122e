package transfer

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLine: whatever a line of a file has, reading it ends, and what is taken says the same once it is written and read again.
func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"quorate_export":1,"revision":7,"prefix":"YQ==","keys":1}`))
	f.Add([]byte(`{"key":"a","value":"b","lease":5,"create_revision":1,"mod_revision":2,"version":2}`))
	f.Add([]byte(`{"key_base64":"/w==","value_base64":"/w=="}`))
	f.Add([]byte(`{"end":true,"keys":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := parse(text)
		if err != nil {
			return
		}
		encoded, err := json.Marshal(read)
		require.NoError(t, err)
		again, err := parse(encoded)
		require.NoError(t, err)
		require.Equal(t, read.key(), again.key())
		require.Equal(t, read.value(), again.value())
		require.Equal(t, read.Lease, again.Lease)
	})
}
