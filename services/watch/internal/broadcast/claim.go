package broadcast

import "encoding/binary"

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

func (c Claim) encode() []byte {
	data := binary.BigEndian.AppendUint64(make([]byte, 0, claimBytes), c.Term)
	data = binary.BigEndian.AppendUint64(data, c.Node)
	if c.Resigned {
		return append(data, 1)
	}
	return append(data, 0)
}

// decodeClaim is the inverse of encode, and tells false for what is no claim.
func decodeClaim(data []byte) (c Claim, ok bool) {
	if len(data) != claimBytes {
		return Claim{}, false
	}
	return Claim{Term: binary.BigEndian.Uint64(data), Node: binary.BigEndian.Uint64(data[8:]), Resigned: data[16] == 1}, true
}
