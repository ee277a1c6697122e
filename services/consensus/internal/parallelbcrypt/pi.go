package parallelbcrypt

import (
	"math/big"
	"sync"
)

// initial is what Blowfish begins with: the first digits of the fraction of pi, P first and then the four S-boxes (Schneier,
// "Description of a New Variable-Length Key, 64-Bit Block Cipher", 1993).
var initial = sync.OnceValue(func() *box {
	words := piFraction(subkeys + sboxes*sboxWords)
	b := new(box)
	words = words[copy(b.p[:], words):]
	for s := range sboxes {
		words = words[copy(b.sbox(s)[:], words):]
	}
	return b
})

// piFraction returns the first words of pi after its point, by Machin's formula: pi = 16 arctan(1/5) - 4 arctan(1/239).
func piFraction(words uint) []uint32 {
	const wordBits, guardBits = 32, 64
	one := new(big.Int).Lsh(big.NewInt(1), words*wordBits+guardBits)
	pi := new(big.Int).Mul(big.NewInt(16), arctanOfInverse(5, one))
	pi.Sub(pi, new(big.Int).Mul(big.NewInt(4), arctanOfInverse(239, one)))
	pi.Mod(pi, one)
	digits := pi.Rsh(pi, guardBits).FillBytes(make([]byte, words*wordBits/8))
	return bigEndianWords(digits)
}

// arctanOfInverse returns arctan(1/x) in units of one's inverse: 1/x - 1/(3 x^3) + 1/(5 x^5) - ...
func arctanOfInverse(x int64, one *big.Int) *big.Int {
	power := new(big.Int).Div(one, big.NewInt(x))
	square, sum, term := big.NewInt(x*x), new(big.Int), new(big.Int)
	for n := int64(1); power.Sign() > 0; n += 2 {
		term.Div(power, big.NewInt(n))
		if n%4 == 1 {
			sum.Add(sum, term)
		} else {
			sum.Sub(sum, term)
		}
		power.Div(power, square)
	}
	return sum
}
