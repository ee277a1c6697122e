// Package cluster runs a store's members as processes on test hosts: each in its own network namespace with its own small
// file system in memory, so that a member can be killed, frozen, filled up, wiped, replaced, added and removed. It runs any binary that takes
// etcd's flags, and decides nothing about when what is done.
package cluster
