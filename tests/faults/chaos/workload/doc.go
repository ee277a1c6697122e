// Package workload uses a store as many clients at once do and records the history: clients that read, write, swap and move
// keys, watchers that resume by revision, holders of leases, users whose rights come and go. Clients of one endpoint meet every fault of that member; clients of
// all endpoints show what the cluster as a whole offers. It neither breaks nor judges anything.
package workload
