// Package failover measures how long a cluster takes no write when it loses its leader. It judges nothing.
package failover
