// Package tcpgateway forwards connections to the members of a cluster, byte by byte: it knows no protocol, and TLS goes through it untouched.
//
// It is etcd's "gateway": a fixed address on each host, so that clients need not know where the members are. One that cannot be reached is
// passed over until it can.
package tcpgateway
