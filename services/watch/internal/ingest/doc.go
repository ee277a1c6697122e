// Package ingest tails the commit feed and publishes what comes, in batches. It keeps no history and knows no watcher:
// it only learns whether anybody listens at all.
package ingest
