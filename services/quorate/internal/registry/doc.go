// Package registry has the founding members of a cluster find each other in another cluster, of etcd or of this store, by
// the keys that etcd's v3 discovery uses, so that members of both could meet in one:
//
//	/_etcd/registry/TOKEN/_config/size       3: put there by whoever sets up the meeting
//	/_etcd/registry/TOKEN/members/8e9e05c5   m1=http://10.0.0.1:2380: each member under its id
//
// The members that registered first, as many as the size says, are the cluster; the order is that of the revisions which
// created their keys. Nothing is ever deleted: a member that starts again before it had its answer finds itself registered,
// and a token serves one cluster. The package makes no ids and asks no member.
package registry
