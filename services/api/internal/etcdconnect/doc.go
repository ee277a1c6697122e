// Package etcdconnect holds the Connect handlers of etcd's services, generated from the descriptors that
// go.etcd.io/etcd/api/v3 publishes, over its own Go messages: there is no copied .proto and no second registration
// of the same names, so that a program may import both this and etcd's client. It does not implement any method.
package etcdconnect

//go:generate ./generate.sh
