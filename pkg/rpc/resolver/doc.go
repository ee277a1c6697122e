// Package resolver finds the nodes behind endpoints. An endpoint is http(s)://HOST:PORT, and HOST may be a name with several
// addresses, which come and go: names are looked up again every few seconds, and an address is gone that several answers
// in a row left out. Each address is one node with an HTTP/2 client of its own, whose one connection carries every call to
// it. It knows nothing of what nodes serve.
package resolver
