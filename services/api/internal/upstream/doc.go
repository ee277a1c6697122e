// Package upstream is the connection of a proxy to the members of a cluster, Quorate's or etcd's: which of them takes the requests, what is
// asked again elsewhere when it goes away, and what clients are told then. It does not know what the requests mean, but for which may be
// repeated.
package upstream
