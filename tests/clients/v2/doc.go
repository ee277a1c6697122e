// Package v2 holds the v2 HTTP API to its behaviour, through plain HTTP and through etcd's own v2 client, against a server
// that runs as a process. It does not look inside.
package v2
