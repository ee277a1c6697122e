// Package sniff sorts the connections of one port by what their first request speaks: gRPC over HTTP/2 for one server,
// everything else for another. It looks at a connection until that is known, then hands the connection on with the
// bytes that were read put back in front, and is out of the way. It serves no request and reads no body.
package sniff
