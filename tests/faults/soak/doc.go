// Package soak uses a cluster for a long time, as a mixture of clients does that come and go, and holds that it has then what it had in the
// beginning: memory, goroutines, descriptors. make soak FOR=30m runs it; QUORATE_TEST_SOAK says for how long, and without it nothing is tested.
package soak
