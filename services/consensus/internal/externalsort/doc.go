// Package externalsort orders records by key in bounded memory: what does not fit goes to a temporary file. A Sorter writes one sorted run
// after another, and merges them all; Buckets distribute records by keys that are known beforehand, and sort one bucket after another. It does
// not know what keys and values mean.
package externalsort
