package forward

import (
	lru "github.com/hashicorp/golang-lru/v2"
)

// tokensMax is of how many tokens is remembered whose they are.
const tokensMax = 16384

// Tokens remember whose the tokens are that the cluster has given out through this proxy. They grant nothing: the cluster looks at each.
type Tokens struct{ names *lru.Cache[string, string] }

// NewTokens know of none.
func NewTokens() *Tokens {
	names, _ := lru.New[string, string](tokensMax) // it fails for no size above zero
	return &Tokens{names: names}
}

// Name returns the user of a token, "" where that is not known.
func (t *Tokens) Name(token string) string {
	name, _ := t.names.Get(token)
	return name
}

func (t *Tokens) gave(token, name string) {
	if token != "" {
		t.names.Add(token, name)
	}
}
