package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"runtime"
	"strconv"

	//lint:ignore SA1019 bcrypt is made of it: a password that is stored so is compared so.
	"golang.org/x/crypto/blowfish"
)

// matches tells whether a bcrypt hash is of a password. It is what bcrypt.CompareHashAndPassword does, but that it lets others have
// the processor after each of its rounds, some fifty microseconds of work: a goroutine that computes for longer is interrupted only
// after ten milliseconds, and two log-ins at once would hold up everybody on two processors for as long. A hash that is none
// matches nothing, and so does one whose rounds, of which root may give any number with a hash, outlast ctx.
func matches(ctx context.Context, hash, password []byte) bool {
	cost, salt, sum, ok := splitHash(hash)
	if !ok || len(password) > passwordBytesMax {
		return false
	}
	key := append(password[:len(password):len(password)], 0)
	cipher, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return false
	}
	for range 1 << cost {
		blowfish.ExpandKey(key, cipher)
		blowfish.ExpandKey(salt, cipher)
		runtime.Gosched()
		if ctx.Err() != nil {
			return false
		}
	}
	text := []byte("OrpheanBeholderScryDoubt")
	for block := 0; block < len(text); block += blowfish.BlockSize {
		for range 64 {
			cipher.Encrypt(text[block:], text[block:])
		}
	}
	return subtle.ConstantTimeCompare(text[:sumBytes], sum) == 1
}

const (
	// passwordBytesMax is how much of a password bcrypt looks at.
	passwordBytesMax = 72
	saltBytes        = 16
	sumBytes         = 23
	// saltChars and sumChars are what they take in the encoding of a hash: $2a$10$, the salt, the sum.
	saltChars, sumChars = 22, 31
	hashPrefixChars     = len("$2a$10$")
)

var hashEncoding = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

func splitHash(hash []byte) (cost int, salt, sum []byte, ok bool) {
	text := string(hash)
	if len(text) != hashPrefixChars+saltChars+sumChars || text[:2] != "$2" || text[3] != '$' || text[6] != '$' {
		return 0, nil, nil, false
	}
	cost, err := strconv.Atoi(text[4:6])
	if CheckCost(cost) != nil || err != nil {
		return 0, nil, nil, false
	}
	salt, err = hashEncoding.DecodeString(text[hashPrefixChars : hashPrefixChars+saltChars])
	if err != nil || len(salt) != saltBytes {
		return 0, nil, nil, false
	}
	sum, err = hashEncoding.Strict().DecodeString(text[hashPrefixChars+saltChars:])
	return cost, salt, sum, err == nil && len(sum) == sumBytes
}
