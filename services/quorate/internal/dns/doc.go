// Package dns finds the founding members of a cluster in SRV records, by etcd's rules, and tells whether two URLs lead to
// the same place. It makes no ids and asks no member.
package dns
