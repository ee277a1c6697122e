// Package wires tests that one endpoint speaks every wire, as programs without etcd's client find it: Connect in JSON and over streams, gRPC-Web,
// gRPC health and reflection, and the pages for people and monitoring. What the methods do is tested in package clientv3.
package wires
