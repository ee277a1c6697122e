// Package parallelbcrypt compares passwords with their bcrypt hashes, several at a time on one processor.
//
// What bcrypt computes is one long chain: each step needs what the step before it has read from tables, and the processor spends most
// of its time waiting for that. Independent comparisons wait at the same time as well as one after the other: four abreast take
// hardly longer than one. golang.org/x/crypto/bcrypt, which makes the hashes, computes one at a time and cannot be had otherwise; a
// test holds this package against it, and a benchmark says what it is for.
package parallelbcrypt
