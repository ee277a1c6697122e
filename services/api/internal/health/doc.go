// Package health answers those who ask whether this server is well: /health, as etcd has always had it, and /livez and
// /readyz, as Kubernetes expects them; paths, bodies, status codes and metrics are etcd's. It asks the store each time
// and keeps no state.
package health
