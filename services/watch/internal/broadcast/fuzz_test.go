package broadcast

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzAnnouncements: whatever another node says of itself, it is read as what would be written for it, or not at all.
func FuzzAnnouncements(f *testing.F) {
	f.Add(Claim{Term: 3, Node: 7, Resigned: true}.encode())
	f.Add(Claim{Term: 1 << 63, Node: 1}.encode())
	f.Add(encodeInterest(7, true, true))
	f.Add([]byte("1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if claim, ok := decodeClaim(data); ok {
			again, ok := decodeClaim(claim.encode())
			require.True(t, ok)
			require.Equal(t, claim, again)
		}
		now := time.Unix(1_000_000, 0)
		i := newInterest()
		i.heard(data, now)
		if i.any(now) {
			require.Len(t, data, interestBytes)
		}
		require.False(t, i.any(now.Add(interestTTL)))
	})
}
