package wire

import (
	"time"
)

// Limits of what is accepted, with the reason for each.
const (
	// frameBytesMax is the longest frame that is accepted: a batch, or a single message that is larger than one, which
	// a raised limit on requests can make.
	frameBytesMax = 512 << 20
	// frameReadStep is how much memory a frame's length alone can claim; more is claimed as bytes arrive.
	frameReadStep = 1 << 20
	// frameBufferKept is the largest buffer that is kept between frames.
	frameBufferKept = 4 << 20
	// refusalBytesMax bounds how much of a refusal's text is read.
	refusalBytesMax = 4 << 10
	// URLsMax bounds the URLs that a greeting or an offer may bring. A member has a handful.
	URLsMax = 16
	// VersionBytesMax is how much of another's version is kept and logged.
	VersionBytesMax = 64
	// refusedBodyTimeout bounds how long the body of a request may take that is answered without it; net/http reads on, to keep
	// the connection.
	refusedBodyTimeout = time.Second
)
