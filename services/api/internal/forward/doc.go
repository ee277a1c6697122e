// Package forward is etcd's API, and our own services, by calls to another server's: each message goes on as it came, for whom it came, and the
// answer comes back as it is, so that headers, codes and texts are those of the member that answered. Below a namespace keys are renamed on
// the way. Watches are not forwarded but merged, see package mergedwatch.
package forward
