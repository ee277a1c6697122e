package ratelimit

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// Goal: what is wrong with the flags is told with the flag, the item and what to write. Method: every mistake, and all at once.
func TestBadRatesAreNamed(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Mode: "strict", Rates: []string{"reads=1"}}, `--rate-limit-mode=strict: is "off", "permissive" or "enforcing"`},
		{Config{Mode: ModeEnforcing}, "--rate-limit-mode=enforcing: has no effect without --rate-limit"},
		{Config{Mode: ModeOff, Rates: []string{"reads=1", "lists=2"}}, "--rate-limit=reads=1,lists=2: has no effect without --rate-limit-mode"},
		{Config{Mode: ModePermissive, Rates: []string{"reads"}}, `--rate-limit=reads: "reads": the form is CLASS=N or USER:CLASS=N`},
		{Config{Mode: ModePermissive, Rates: []string{"reeds=1"}}, `"reeds=1": no class is called "reeds", there are reads, writes, watches, lists`},
		{Config{Mode: ModePermissive, Rates: []string{"alice:=1"}}, `"alice:=1": no class is called ""`},
		{Config{Mode: ModePermissive, Rates: []string{":reads=1"}}, `":reads=1": there is no user before the colon`},
		{Config{Mode: ModePermissive, Rates: []string{"reads=0"}}, `"reads=0": a rate is a whole number of requests a second from 1 on, or "unlimited"`},
		{Config{Mode: ModePermissive, Rates: []string{"reads=-1"}}, `"reads=-1": a rate is`},
		{Config{Mode: ModePermissive, Rates: []string{"reads=1.5"}}, `"reads=1.5": a rate is`},
		{Config{Mode: ModePermissive, Rates: []string{"reads=99999999999"}}, `"reads=99999999999": a rate is`},
		{Config{Mode: ModePermissive, Rates: []string{"reads="}}, `"reads=": a rate is`},
		{Config{Mode: ModePermissive, Rates: []string{"a:reads=1", "a:reads=2"}}, `"a:reads=2": these requests have another rate before`},
	} {
		require.ErrorContains(t, c.config.Validate(), c.want)
		_, err := New(c.config, nil)
		require.ErrorContains(t, err, c.want)
	}
	err := Config{Mode: "strict", Rates: []string{"reads", "lists=x"}}.Validate()
	for _, want := range []string{"--rate-limit-mode=strict", `"reads"`, `"lists=x"`} {
		require.ErrorContains(t, err, want)
	}
	for _, good := range []Config{{}, Default(), {Mode: ModeOff}, {Mode: ModeEnforcing, Rates: []string{"reads=1"}}} {
		require.NoError(t, good.Validate())
	}
}

// Goal: a user's own rates stand beside everybody's, which count for what they do not name, and names may have colons and equals signs.
// Method: read flags, and look at the whole plan.
func TestUsersHaveRatesOfTheirOwn(t *testing.T) {
	p, err := Config{Rates: []string{"spiffe://a=b:lists=2", "root:writes=unlimited", "writes=100", "lists=5"}}.rates()
	require.NoError(t, err)
	require.Equal(t, &plan{
		everybody: rates{rate.Inf, 100, rate.Inf, 5},
		users: map[string]rates{
			"spiffe://a=b": {rate.Inf, 100, rate.Inf, 2},
			"root":         {rate.Inf, rate.Inf, rate.Inf, 5},
		},
	}, p)
}
