// Package auth tells for whom a request is made: it makes a Caller out of the token or the client certificate that a request carries, the
// same for all wires. What a caller may do is the store's to say, and so is whose a simple token is.
package auth
