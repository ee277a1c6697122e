// Package rpc is the Connect edge of the consensus service: a handler over anything with its methods, and a client
// that has the same methods, streams as callbacks included. The errors of package errdefs cross it. It holds no
// logic.
package rpc
