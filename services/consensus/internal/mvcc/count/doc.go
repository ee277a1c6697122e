// Package count knows how many keys there are in any stretch of an ordered key space, without knowing the keys: it cuts
// the space into buckets of a few hundred keys and remembers where each begins and how many it holds.
//
// It does not store anything, and cannot see keys: who uses it keeps the buckets, and counts the parts of buckets at the
// two ends of a stretch.
package count
