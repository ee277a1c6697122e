package parallelbcrypt

import (
	"encoding/base64"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

const (
	// PasswordBytesMax is how much of a password bcrypt looks at.
	PasswordBytesMax = 72

	saltBytes = 16
	saltWords = saltBytes / 4
	sumBytes  = 23
	// saltChars and sumChars are what they take in the encoding of a hash: $2a$10$, the salt, the sum.
	saltChars, sumChars = 22, 31
	prefixChars         = len("$2a$10$")
)

var encoding = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

// split takes a hash apart. It is not ok where the package that makes hashes would not take it either.
func split(hash []byte) (cost int, salt, sum []byte, ok bool) {
	text := string(hash)
	if len(text) != prefixChars+saltChars+sumChars || text[:2] != "$2" || text[3] != '$' || text[6] != '$' {
		return 0, nil, nil, false
	}
	cost, err := strconv.Atoi(text[4:6])
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost || err != nil {
		return 0, nil, nil, false
	}
	salt, err = encoding.DecodeString(text[prefixChars : prefixChars+saltChars])
	if err != nil || len(salt) != saltBytes {
		return 0, nil, nil, false
	}
	sum, err = encoding.Strict().DecodeString(text[prefixChars+saltChars:])
	return cost, salt, sum, err == nil && len(sum) == sumBytes
}
