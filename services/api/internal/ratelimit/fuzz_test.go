package ratelimit

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRates: whatever is given for rates, reading it ends, and nothing in it stops all requests of a class.
func FuzzRates(f *testing.F) {
	f.Add("writes=1000,reads=5")
	f.Add("ann:writes=unlimited,a=b:c:lists=1")
	f.Add(":writes=1")
	f.Add("writes=0")
	f.Fuzz(func(t *testing.T, text string) {
		made, err := Config{Rates: strings.Split(text, ",")}.rates()
		if err != nil {
			return
		}
		for _, limit := range made.everybody {
			require.Positive(t, limit)
		}
		for user, own := range made.users {
			require.NotEmpty(t, user)
			for _, limit := range own {
				require.Positive(t, limit)
			}
		}
	})
}
