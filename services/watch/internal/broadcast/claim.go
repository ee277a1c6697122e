package broadcast

import (
	"encoding/binary"
	"fmt"
)

// Claim is what an ingester says of itself, again and again, so that the other nodes leave the work to it.
type Claim struct {
	// Term counts how often the work changed hands, so far as the node has heard.
	Term uint64
	// Node is the number of who claims.
	Node uint64
	// Resigned says that the node has just given the work up.
	Resigned bool
}

// claimBytes is the size of a claim: term and node as big-endian numbers, and 1 for resigned or 0.
const claimBytes = 8 + 8 + 1

// claimsQueuedMax bounds the claims that wait for whoever listens. More are dropped: they are repeated.
const claimsQueuedMax = 64

func (c Claim) encode() []byte {
	data := binary.BigEndian.AppendUint64(make([]byte, 0, claimBytes), c.Term)
	data = binary.BigEndian.AppendUint64(data, c.Node)
	if c.Resigned {
		return append(data, 1)
	}
	return append(data, 0)
}

// heardClaim takes in a claim of another node; it ignores what is none.
func (b *Bus) heardClaim(data []byte) {
	if len(data) != claimBytes {
		return
	}
	c := Claim{Term: binary.BigEndian.Uint64(data), Node: binary.BigEndian.Uint64(data[8:]), Resigned: data[16] == 1}
	if c.Node == b.node {
		return
	}
	select {
	case b.claims <- c:
	default:
	}
}

// Claim tells all other nodes of a claim. That it returns does not mean that any has heard it.
func (b *Bus) Claim(c Claim) error {
	if err := b.conn.Publish(claimSubject, c.encode()); err != nil {
		return fmt.Errorf("publish claim: %w", err)
	}
	return nil
}

// Claims yields what other nodes claim.
func (b *Bus) Claims() <-chan Claim { return b.claims }
