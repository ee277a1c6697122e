package upstream

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// redialMin and redialMax are how long to wait until one that did not is tried again.
	redialMin = 100 * time.Millisecond
	redialMax = 2 * time.Second
	// windowBytes is how much a member may send ahead on each stream, connectionWindowBytes on all: a slow reader of one holds up no other.
	windowBytes           = 1 << 20
	connectionWindowBytes = 16 << 20
)

// member is one of the cluster's.
type member struct {
	Endpoint
	conn *grpc.ClientConn
	stop context.CancelFunc

	// failures is how many requests in a row have failed for want of a leader or a quorum.
	failures atomic.Int32
	// doubted is when it was last left for another one, in Unix nanoseconds.
	doubted atomic.Int64
}

// connect makes a member. It connects once follow runs.
func (c *Config) connect(e Endpoint) (*member, error) {
	security := insecure.NewCredentials()
	if e.TLS {
		security = secured{c.TLS}
	}
	conn, err := grpc.NewClient(e.target(),
		grpc.WithTransportCredentials(security),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: redialMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: redialMax},
			MinConnectTimeout: dialMax,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: c.pingAfter(), Timeout: c.KeepAliveTimeout, PermitWithoutStream: c.PermitWithoutStream}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(c.ReceiveBytesMax), grpc.MaxCallSendMsgSize(math.MaxInt32)),
		grpc.WithStaticStreamWindowSize(windowBytes), grpc.WithStaticConnWindowSize(connectionWindowBytes),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithIdleTimeout(0),
		grpc.WithNoProxy(),
	)
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", e, err)
	}
	return &member{Endpoint: e, conn: conn}, nil
}

// pingAfter is how long a connection with requests may be silent; "never" is as long as there is.
func (c *Config) pingAfter() time.Duration {
	if c.KeepAliveTime <= 0 {
		return math.MaxInt64
	}
	return c.KeepAliveTime
}

// follow tells how the connection is, whenever that changes, until ctx ends.
func (m *member) follow(ctx context.Context, tell func(ready bool)) {
	defer m.conn.Close()
	for {
		state := m.conn.GetState()
		tell(state == connectivity.Ready)
		if state == connectivity.Idle {
			m.conn.Connect()
		}
		if !m.conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}
