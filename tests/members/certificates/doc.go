// Package certificates holds what whoever runs members with TLS is promised: what changes on disk counts without a restart,
// on every listener, and nobody who was turned away comes in by another door.
package certificates
