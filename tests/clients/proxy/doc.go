// Package proxy tests quorate grpc-proxy in front of Quorate and of etcd, as processes: that answers are those of the members, whose users' requests are,
// and what becomes of watches when members and proxies restart.
package proxy
