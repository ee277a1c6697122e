// Package direct calls methods of this server from within the process, for the caller of the request that a context is of: through the same
// interceptors as calls that come in, so that the caller may do no more by this way than by any other. What it does not do is to say who
// the caller is: that is in the context, as it came by the wire.
package direct
