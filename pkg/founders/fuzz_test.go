package founders

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse: whatever a list of founders says, reading it ends; what was read is read again as the same, and has ids.
func FuzzParse(f *testing.F) {
	f.Add("a=http://10.0.0.1:2380,a=http://10.0.0.1:2381,b=https://[::1]:2380", "token")
	f.Add(",,=,a=,a=unix://s,b=unixs:///x", "")
	f.Fuzz(func(t *testing.T, list, token string) {
		urls, err := Parse(list)
		if err != nil {
			return
		}
		members := Members(urls)
		require.Len(t, members, len(urls))
		if _, err := Identify(members, token); err != nil {
			return
		}
		for _, member := range members {
			require.NotZero(t, member.GetId())
			for _, text := range member.GetPeerUrls() {
				_, err := ParseURL(text)
				require.NoError(t, err, "%q of %q", text, list)
			}
		}
	})
}
