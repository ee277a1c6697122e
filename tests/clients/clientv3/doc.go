// Package clientv3 tests what etcd's own Go client sees of a member: each option of each method, at one server that all
// tests share, each below keys of its own. It says nothing of how a member does it.
package clientv3
