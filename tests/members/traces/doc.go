// Package traces tests what a collector of traces is sent: by one process, and by services that run apart. What a span costs is measured beside
// the code.
package traces
