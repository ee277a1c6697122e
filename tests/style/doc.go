// Package style holds the repository's rules as tests: which module may import what, and how our code reads. The
// lists of exceptions are ratchets: a test fails when one is no longer needed, so they only ever get shorter.
// It does not repeat what vet, staticcheck and gofumpt find.
package style
