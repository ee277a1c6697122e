package logstore

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// TestSealedValueIsBoundToItsKey flips every bit of a sealed value in turn, and moves it to another key: each must be
// noticed.
func TestSealedValueIsBoundToItsKey(t *testing.T) {
	key := entryKey(258)
	require.Equal(t, "e\x00\x00\x00\x00\x00\x00\x01\x02", string(key))
	value := seal(key, []byte("payload"))
	payload, err := unseal(key, value)
	require.NoError(t, err)
	require.Equal(t, "payload", string(payload))
	for bit := range len(value) * 8 {
		value[bit/8] ^= 1 << (bit % 8)
		_, err := unseal(key, value)
		require.ErrorIs(t, err, ErrCorrupt)
		value[bit/8] ^= 1 << (bit % 8)
	}
	_, err = unseal(entryKey(259), value)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = unseal(key, value[:3])
	require.ErrorIs(t, err, ErrCorrupt)
}

// FuzzDecode feeds arbitrary payloads, under right and wrong checksums, to every decoder: each returns a value or
// ErrCorrupt, and an entry that decodes is the one its key names.
func FuzzDecode(f *testing.F) {
	encoded, err := proto.Marshal(entry(258, 3))
	require.NoError(f, err)
	f.Add(encoded)
	f.Add(packPair(1, 2))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		key := entryKey(258)
		for _, value := range [][]byte{payload, seal(key, payload)} {
			e, err := decodeEntry(key, value)
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				continue
			}
			require.Equal(t, uint64(258), e.GetIndex())
		}
		if _, _, err := decodeConfState(payload); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
		if _, _, err := unpackPair(truncatedKey, payload); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
		if _, err := entryIndex(payload); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}
