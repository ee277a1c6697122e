// Package interceptor is what the Connect edges of the internal services share: messages are checked against rules,
// those in proto/ where other programs send them, before a service sees them, and the errors of package errdefs cross the wire so that errors.Is tells them
// on both sides. It knows no service, and has nothing to do with the wires that clients speak.
package interceptor
