package parallelbcrypt

import "encoding/binary"

const (
	subkeys   = 18
	sboxes    = 4
	sboxWords = 256
	// lanes is how many boxes are expanded abreast. Their tables, 4 KB each, fit into a processor's nearest cache.
	lanes = 4
)

// box is the state of a Blowfish cipher, and the block that it encrypts over and over while it is expanded.
type box struct {
	p              [subkeys]uint32
	s0, s1, s2, s3 [sboxWords]uint32
	l, r           uint32
}

// key is what is mixed into the subkeys: a password or a salt, repeated as often as it takes.
type key [subkeys]uint32

// keyOf repeats bytes, of which there is at least one.
func keyOf(b []byte) *key {
	var repeated [subkeys * 4]byte
	for n := 0; n < len(repeated); {
		n += copy(repeated[n:], b)
	}
	return (*key)(bigEndianWords(repeated[:]))
}

func bigEndianWords(b []byte) []uint32 {
	words := make([]uint32, len(b)/4)
	for i := range words {
		words[i] = binary.BigEndian.Uint32(b[i*4:])
	}
	return words
}

// f is Blowfish's function of half a block.
func (b *box) f(x uint32) uint32 {
	return ((b.s0[byte(x>>24)] + b.s1[byte(x>>16)]) ^ b.s2[byte(x>>8)]) + b.s3[byte(x)]
}

// begin mixes a key in. What is encrypted from then on is made the box's new state by the caller.
func (b *box) begin(k *key) {
	for i := range b.p {
		b.p[i] ^= k[i]
	}
	b.l, b.r = 0, 0
}

// encrypt encrypts the block. The subkey comes before f, so that it is added while f's tables are read.
func (b *box) encrypt() {
	l, r := b.l^b.p[0], b.r
	for i := 1; i < subkeys-1; i += 2 {
		r = r ^ b.p[i] ^ b.f(l)
		l = l ^ b.p[i+1] ^ b.f(r)
	}
	b.l, b.r = r^b.p[subkeys-1], l
}

// expand mixes a key in and makes the state anew.
func (b *box) expand(k *key) {
	b.begin(k)
	for i := 0; i < subkeys; i += 2 {
		b.encrypt()
		b.p[i], b.p[i+1] = b.l, b.r
	}
	for s := range sboxes {
		s := b.sbox(s)
		for i := 0; i < sboxWords; i += 2 {
			b.encrypt()
			s[i], s[i+1] = b.l, b.r
		}
	}
}

// expandSalted is expand with a salt of four words mixed into each block by turns.
func (b *box) expandSalted(k, salt *key) {
	b.begin(k)
	at := 0
	for _, part := range [...][]uint32{b.p[:], b.s0[:], b.s1[:], b.s2[:], b.s3[:]} {
		for i := 0; i < len(part); i += 2 {
			b.l ^= salt[at]
			b.r ^= salt[at+1]
			at = (at + 2) % saltWords
			b.encrypt()
			part[i], part[i+1] = b.l, b.r
		}
	}
}

// encryptAbreast is encrypt of four boxes.
func encryptAbreast(a, b, c, d *box) {
	al, bl, cl, dl := a.l^a.p[0], b.l^b.p[0], c.l^c.p[0], d.l^d.p[0]
	ar, br, cr, dr := a.r, b.r, c.r, d.r
	for i := 1; i < subkeys-1; i += 2 {
		ar = ar ^ a.p[i] ^ a.f(al)
		br = br ^ b.p[i] ^ b.f(bl)
		cr = cr ^ c.p[i] ^ c.f(cl)
		dr = dr ^ d.p[i] ^ d.f(dl)
		al = al ^ a.p[i+1] ^ a.f(ar)
		bl = bl ^ b.p[i+1] ^ b.f(br)
		cl = cl ^ c.p[i+1] ^ c.f(cr)
		dl = dl ^ d.p[i+1] ^ d.f(dr)
	}
	a.l, a.r = ar^a.p[subkeys-1], al
	b.l, b.r = br^b.p[subkeys-1], bl
	c.l, c.r = cr^c.p[subkeys-1], cl
	d.l, d.r = dr^d.p[subkeys-1], dl
}

// expandAbreast is expand of four boxes, each with its key.
func expandAbreast(boxes *[lanes]*box, keys *[lanes]*key) {
	a, b, c, d := boxes[0], boxes[1], boxes[2], boxes[3]
	for i, box := range boxes {
		box.begin(keys[i])
	}
	for i := 0; i < subkeys; i += 2 {
		encryptAbreast(a, b, c, d)
		for _, box := range boxes {
			box.p[i], box.p[i+1] = box.l, box.r
		}
	}
	for s := range sboxes {
		as, bs, cs, ds := a.sbox(s), b.sbox(s), c.sbox(s), d.sbox(s)
		for i := 0; i < sboxWords; i += 2 {
			encryptAbreast(a, b, c, d)
			as[i], as[i+1] = a.l, a.r
			bs[i], bs[i+1] = b.l, b.r
			cs[i], cs[i+1] = c.l, c.r
			ds[i], ds[i+1] = d.l, d.r
		}
	}
}

func (b *box) sbox(i int) *[sboxWords]uint32 {
	return [...]*[sboxWords]uint32{&b.s0, &b.s1, &b.s2, &b.s3}[i]
}
