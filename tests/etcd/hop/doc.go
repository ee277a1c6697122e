// Package hop measures what a call between two processes of ours costs, by the ways that there are. It has benchmarks alone.
package hop
