package mvcc

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// randomKey is short and of few different bytes, so that keys share beginnings and end in what encodings use.
func randomKey(r *rand.Rand) []byte {
	key := make([]byte, 1+r.IntN(12))
	for i := range key {
		key[i] = alphabet[r.IntN(len(alphabet))]
	}
	return key
}

// Pebble's order of encoded keys is that of client keys as bytes, then of revisions, newest first; the comparer's other
// functions agree with it, and encodings can be taken apart again. Random pairs of keys.
func TestKeysOrderAsBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	c := cockroachkvs.Comparer
	for range 20_000 {
		a, b := randomKey(r), randomKey(r)
		ra, rb := r.Int64N(4)+1, r.Int64N(4)+math.MaxInt64-4
		if r.IntN(2) == 0 {
			rb = r.Int64N(4) + 1
		}
		va, vb := appendVersionKey(nil, a, ra), appendVersionKey(nil, b, rb)
		require.NoError(t, c.ValidateKey.Validate(va))
		want := cmp.Or(bytes.Compare(a, b), -cmp.Compare(ra, rb))
		require.Equal(t, want, c.Compare(va, vb), "%x@%d %x@%d", a, ra, b, rb)
		require.Equal(t, want == 0, c.Equal(va, vb))
		require.Equal(t, appendVersionPrefix(nil, a), va[:c.Split(va)])
		require.Negative(t, c.Compare(va[:c.Split(va)], va), "a prefix sorts before its versions")
		if c.AbbreviatedKey(va) < c.AbbreviatedKey(vb) {
			require.Negative(t, want)
		}
		if want < 0 {
			sep := c.Separator(nil, va, vb)
			require.LessOrEqual(t, c.Compare(va, sep), 0)
			require.Negative(t, c.Compare(sep, vb))
		}
		key, revision, err := splitVersionKey(va)
		require.NoError(t, err)
		require.Equal(t, a, key)
		require.Equal(t, ra, revision)

		ka, kb := appendAttachmentKey(nil, ra, a), appendAttachmentKey(nil, rb, b)
		require.Equal(t, cmp.Or(cmp.Compare(ra, rb), bytes.Compare(a, b)), c.Compare(ka, kb))
		require.Len(t, ka, c.Split(ka))
		lower, upper := attachmentBounds(ra)
		require.LessOrEqual(t, c.Compare(lower, ka), 0)
		require.Negative(t, c.Compare(ka, upper))
		lease, key, err := splitAttachmentKey(ka)
		require.NoError(t, err)
		require.Equal(t, ra, lease)
		require.Equal(t, a, key)

		ha, hb := appendHistoryKey(nil, ra, int64(a[0])), appendHistoryKey(nil, rb, int64(b[0]))
		require.Equal(t, cmp.Or(cmp.Compare(ra, rb), cmp.Compare(a[0], b[0])), c.Compare(ha, hb))
		require.Len(t, ha, c.Split(ha))
	}
}

// What Pebble returns is what was put in, in the order of bytes, from memory and from files: all kinds of keys side by
// side, flushed and compacted, then read by scans and by lookups.
func TestPebbleKeepsEveryKindOfKey(t *testing.T) {
	s := openSmall(t, vfs.NewMem())
	r := rand.New(rand.NewPCG(4, 4))
	want := map[string]string{
		string(appendMetaKey(nil, metaFormat)):    string([]byte{formatVersion}),
		string(appendMarkKey(nil, firstRevision)): string(appendMark(nil, usageMark{})),
	}
	for i := range 3000 {
		key, n := randomKey(r), r.Int64N(5)+1
		for _, k := range [][]byte{
			appendVersionKey(nil, key, n), appendAttachmentKey(nil, n, key), appendHistoryKey(nil, n, int64(i)),
			appendLeaseKey(nil, n<<(8*r.IntN(7))), appendAlarmKey(nil, uint64(n), int32(n)), appendMetaKey(nil, string(key)),
			appendCountKey(nil, string(key)), appendMarkKey(nil, n<<(8*r.IntN(7))),
		} {
			v := randomKey(r)
			want[string(k)] = string(v)
			require.NoError(t, s.db.Set(k, v, pebble.NoSync))
		}
		if i%1000 == 900 {
			require.NoError(t, s.Flush())
		}
	}
	for _, step := range []func() error{
		func() error { return nil }, s.Flush, func() error { return s.db.Compact(t.Context(), []byte{0}, []byte{0xff, 0}, false) },
	} {
		require.NoError(t, step())
		got := map[string]string{}
		var last []byte
		require.NoError(t, s.each([]byte{0}, []byte{0xff, 0}, func(k, v []byte) error {
			require.Negative(t, cockroachkvs.Compare(last, k))
			last = slices.Clone(k)
			got[string(k)] = string(v)
			return nil
		}))
		require.Equal(t, want, got)
	}
	for k, v := range want {
		b, err := getRow(s, []byte(k))
		require.NoError(t, err)
		require.Equal(t, v, string(b), "%x", k)
	}
	require.NoError(t, s.Close())
}

// Bytes that are no record are refused, and those that are one are what they were made from: arbitrary bytes go through
// every decoder, and what it accepts through the encoder and the decoder again.
func FuzzDecoders(f *testing.F) {
	f.Add(appendRecord(nil, &Record{sub: 1, Create: 300, Version: 2, Lease: 7, Value: []byte("v")}))
	f.Add(appendRecord(nil, &Record{sub: 1, Tombstone: true}))
	f.Add(appendChange(nil, &change{previous: 5, key: []byte("k")}))
	f.Add(appendChange(nil, &change{
		previous: 5, key: []byte("k"), overwritten: true, recreated: true, record: Record{Create: 300, Version: 2, Lease: 7, Value: []byte("v")},
	}))
	f.Add(appendPosition(nil, &position{index: 1, term: 2, revision: 3, compacted: 4, epoch: 5}))
	f.Add(appendPosition(nil, &position{revision: 3, digest: digest{sum: 1, known: true, chain: 2, whole: true}}))
	f.Add(appendProgress(nil, &progress{finished: 1, target: 2, revision: 3, sub: 4}))
	f.Add(appendVersionKey(nil, []byte("k"), 7))
	f.Add(appendAttachmentKey(nil, 7, []byte("k")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Record
		if decodeRecord(b, &r) == nil && !r.Tombstone {
			require.NoError(t, decodeRecord(appendRecord(nil, &r), &again))
			require.Equal(t, r, again)
		}
		var c, c2 change
		if decodeChange(b, &c) == nil {
			require.NoError(t, decodeChange(appendChange(nil, &c), &c2))
			require.Equal(t, c, c2)
		}
		var p, p2 position
		if decodePosition(b, &p) == nil {
			require.NoError(t, decodePosition(appendPosition(nil, &p), &p2))
			require.Equal(t, p, p2)
		}
		var g, g2 progress
		if decodeProgress(b, &g) == nil {
			require.NoError(t, decodeProgress(appendProgress(nil, &g), &g2))
			require.Equal(t, g, g2)
		}
		if l, err := decodeLease(b); err == nil {
			l2, err := decodeLease(appendLease(nil, l))
			require.NoError(t, err)
			require.Equal(t, l, l2)
		}
		if key, revision, err := splitVersionKey(b); err == nil {
			require.Equal(t, b, appendVersionKey(nil, key, revision))
		}
		if lease, key, err := splitAttachmentKey(b); err == nil {
			require.Equal(t, b, appendAttachmentKey(nil, lease, key))
		}
		if revision, sub, err := splitHistoryKey(b); err == nil {
			require.Equal(t, b, appendHistoryKey(nil, revision, sub))
		}
		if id, err := splitLeaseKey(b); err == nil {
			require.Equal(t, b, appendLeaseKey(nil, id))
		}
		if member, kind, err := splitAlarmKey(b); err == nil {
			require.Equal(t, b, appendAlarmKey(nil, member, kind))
		}
		if low, err := splitCountKey(b); err == nil {
			require.Equal(t, b, appendCountKey(nil, low))
		}
	})
}
