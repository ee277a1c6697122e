// Package config is everything that can be set of a store: the plain values, their defaults, what is wrong with them, and
// what follows from them alone (URLs, listeners, TLS, who founds a cluster). The whole store in one process takes all of
// it; services that run apart take the part that is theirs. It runs nothing and calls nobody.
package config
