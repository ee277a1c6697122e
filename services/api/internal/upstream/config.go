package upstream

import (
	"context"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// Config says which cluster. Endpoints and Logger are required.
type Config struct {
	Endpoints []Endpoint
	// TLS is for endpoints that speak it, and asked before each connection; nil trusts the system's authorities.
	TLS tlsconfig.Client
	// Find returns where the members are by now. It is called every FindInterval, within findMax; nil has them stay where they are.
	Find         func(context.Context) ([]Endpoint, error)
	FindInterval time.Duration

	// KeepAliveTime is after how long of silence a member is pinged while requests are under way, and with PermitWithoutStream always; 0 is never.
	// KeepAliveTimeout is how long its answer may take.
	KeepAliveTime, KeepAliveTimeout time.Duration
	PermitWithoutStream             bool
	// ReceiveBytesMax bounds one message of a member's.
	ReceiveBytesMax int
	// RequestTimeout is how long a member may be looked for, and how long one may be silent about a request of a client that set no time.
	RequestTimeout time.Duration
	Logger         *slog.Logger
}
