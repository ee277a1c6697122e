// Package grpcserver sets grpc-go up for etcd's services: limits, buffers, keep-alive, health and reflection. It holds
// no listener, and no method of etcd's.
package grpcserver
