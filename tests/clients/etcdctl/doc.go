// Package etcdctl tests that etcd's own command-line tools work on a member as they do on etcd: what they print, and their
// exit codes. What the API behind them does is tested in package clientv3.
package etcdctl
