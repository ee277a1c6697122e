package auth

import (
	"crypto/sha256"
	"sync"
)

// generations remembers what tokens were found to show, by their digests: the newer half of what was used last, and the older one, which
// goes when the newer is full.
type generations struct {
	mu struct {
		sync.Mutex
		newer, older map[[sha256.Size]byte]*Identity
	}
}

// get returns what a token shows, nil if that is not remembered.
func (g *generations) get(digest [sha256.Size]byte) *Identity {
	g.mu.Lock()
	defer g.mu.Unlock()
	if identity := g.mu.newer[digest]; identity != nil {
		return identity
	}
	identity := g.mu.older[digest]
	if identity != nil {
		g.putLocked(digest, identity)
	}
	return identity
}

func (g *generations) put(digest [sha256.Size]byte, identity *Identity) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.putLocked(digest, identity)
}

func (g *generations) putLocked(digest [sha256.Size]byte, identity *Identity) {
	if g.mu.newer == nil || len(g.mu.newer) >= verifiedMax {
		g.mu.newer, g.mu.older = make(map[[sha256.Size]byte]*Identity), g.mu.newer
	}
	g.mu.newer[digest] = identity
}
