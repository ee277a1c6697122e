// Package auditlog writes a line for each request: who asked for what, what was decided, and what came of it. It never writes a value,
// a password or a token, and knows nothing of the store: what it writes is on a disk, or a pipe, of its own.
//
//	Policy   which requests are written, and how much of them
//	Auditor  makes the line of a request, on the request's own goroutine
//	Log      brings lines into the file: one goroutine writes, requests wait for it, or do not
package auditlog
