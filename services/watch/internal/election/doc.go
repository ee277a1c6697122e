// Package election settles which of the watch nodes ingests the commit feed, by what they tell each other. It is for thrift
// only: any number of nodes may ingest at once, and none for a while, without a watcher noticing more than a delay. It
// does not ingest.
package election
