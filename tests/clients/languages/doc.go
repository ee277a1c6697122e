// Package languages asks clients of other languages to do on a server what their users do: with nobody but themselves between them and the
// wire. Each script in testdata is such a user; it needs the client library installed, which `make clients` sees to.
package languages
