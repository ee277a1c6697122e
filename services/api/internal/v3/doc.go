// Package v3 implements etcd's v3 services (KV, Watch, Lease, Cluster and Maintenance) over the API service's ports.
// It checks requests as etcd does, turns them into the ports' messages and the answers back, and keeps no state but
// that of open streams. It opens no listener and knows no transport: gRPC and Connect serve the same methods.
package v3
