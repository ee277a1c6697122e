// Package grpcproxy is quorate grpc-proxy start: the API service in front of a cluster, by the flags of etcd's command of that name. How requests
// go on is the API service's business; here is what the flags say, where the members are, and how the proxy makes itself known.
package grpcproxy
