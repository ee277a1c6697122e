// Package v2 is etcd's v2 HTTP API: /v2/keys, /v2/members, /v2/machines, /v2/stats and /v2/auth, over the same keys, users
// and roles that v3 clients use. It reads requests, calls the ports and writes answers; what a change does to the tree of files and directories is
// decided where the state is. It keeps nothing but a count of its watchers.
package v2
