package ingress

import "time"

// The rules, with the reason for each. There is none on the time of a whole request or answer: a watch may last for months.
const (
	// HeadTimeout bounds the handshake of TLS, and then the head of each request from its first byte: a client on a bad
	// line needs a second, and whoever says nothing holds a descriptor.
	HeadTimeout = 10 * time.Second
	// HeadBytesMax bounds the head of a request. A token and some headers are a few kilobytes; net/http allows a megabyte.
	HeadBytesMax = 64 << 10
	// BodyTimeout is how long the body of a request may take that is no stream, and BodyBytesPerSecond what it must bring
	// for each further second, so that large requests may come over slow lines.
	BodyTimeout        = 30 * time.Second
	BodyBytesPerSecond = 32 << 10
	// IdleTimeout ends a connection without a request. It is longer than the minute or two for which clients keep theirs.
	IdleTimeout = 5 * time.Minute
	// DrainTimeout is how long calls under way may go on once a stop was asked for, where the listener does not say else.
	DrainTimeout = 2 * time.Second
	// strangersPart is what part of the open connections may be without a request so far, as 1/strangersPart: each may hold its
	// place for HeadTimeout, and in half of the room some thousand handshakes a second find theirs.
	strangersPart = 2
	// refusalsLogged is how often it is logged that connections are refused.
	refusalsLogged = 10 * time.Second
)
