package watch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/watch/internal/natsserver"
)

// Routes are the connections between the NATS servers of watch nodes. RouteTLS makes their TLS.
type Routes = natsserver.Routes

// Users is the listener for users' NATS clients.
type Users = natsserver.Users

// UserEvent is what a user of NATS asked for, or what is over for them.
type UserEvent = natsserver.Event

// Rights are what a user of the store may read by NATS.
type Rights = natsserver.Rights

// Standing is how authentication stands, see natsserver.Standing.
type Standing = natsserver.Standing

// RouteTLS makes one configuration for both ends of a route, see natsserver.RouteTLS.
func RouteTLS(asServer *tls.Config, asClient tlsconfig.Client, peers []string) *tls.Config {
	return natsserver.RouteTLS(asServer, asClient, peers)
}

// Config says what a Service works with. Feed is required; everything else has a default, taken where it is zero.
type Config struct {
	// Logger receives what operators should know. Default: nowhere.
	Logger *slog.Logger
	// Registerer receives the metrics. Default: nowhere.
	Registerer prometheus.Registerer
	// Feed is consensus.
	Feed Feed

	// Routes connect this watch node with others. Nil, the default, means that there are none. With routes Feed must be a
	// ConfirmedFeed.
	Routes *Routes
	// Identity tells stores apart, where there are several watch nodes. Nil, the default, means that there is one store for ever.
	Identity Identity

	// Users lets users' NATS clients subscribe to events. Nil, the default, means that there are none.
	Users *Users
	// FollowUsers calls review with how authentication stands at first, and whenever the rights of the store's users have changed, until ctx ends; with
	// all where it cannot tell whether they have. It is nil where Users has no Keeper, and fails for no other reason.
	FollowUsers func(ctx context.Context, review func(now Standing, all bool) error) error

	// ProgressInterval is how long a watch that asked for progress may hear nothing before it is told so; it takes up
	// to twice as long. Default: 10 minutes.
	ProgressInterval time.Duration
	// HeartbeatInterval is how often the ingester says where it is while anybody watches and nothing happens. A lost
	// batch goes unnoticed for twice as long at most. Default: 200 milliseconds.
	HeartbeatInterval time.Duration

	// PayloadBytesMax is the largest message that NATS carries; a batch over it is read from history. Default: 1 MiB,
	// which is NATS's own.
	PayloadBytesMax int
	// BatchBytesMax is where the ingester ends a batch. Default: half of PayloadBytesMax.
	BatchBytesMax int
	// IngestBytesMax bounds what waits to be published. Default: 8 MiB.
	IngestBytesMax int
	// RingBytesMax bounds the recent commits in memory, from which watches that fell behind catch up first.
	// Default: budget.WatchRing.
	RingBytesMax int
	// SessionDeliveriesMax and SessionBytesMax bound what waits for one client. Default: 1024 and 1 MiB.
	SessionDeliveriesMax int
	SessionBytesMax      int
	// AttachedDeliveriesMax and AttachedBytesMax bound what waits for one API node: it has to take what its clients are
	// told as it comes, so this is for its pauses. Default: 65536 and 64 MiB.
	AttachedDeliveriesMax int
	AttachedBytesMax      int
	// DeliveryBytesMax is where a delivery of several revisions ends, and a read of history. Default: 512 KiB.
	DeliveryBytesMax int
	// ReadsMax bounds the reads of history that run at once on behalf of watches. Default: 8.
	ReadsMax int
}

// withDefaults returns the configuration with a value in every field but Registerer and Feed.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	set(&c.ProgressInterval, 10*time.Minute)
	set(&c.HeartbeatInterval, 200*time.Millisecond)
	set(&c.PayloadBytesMax, 1<<20)
	set(&c.BatchBytesMax, c.PayloadBytesMax/2)
	set(&c.IngestBytesMax, 8<<20)
	set(&c.RingBytesMax, budget.WatchRing)
	set(&c.SessionDeliveriesMax, 1024)
	set(&c.SessionBytesMax, 1<<20)
	set(&c.AttachedDeliveriesMax, 64<<10)
	set(&c.AttachedBytesMax, 64<<20)
	set(&c.DeliveryBytesMax, 512<<10)
	set(&c.ReadsMax, 8)
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// payloadBytesLimit is what NATS advises not to exceed.
const payloadBytesLimit = 8 << 20

// validate reports everything that is wrong with a configuration that has its defaults.
func (c Config) validate() error {
	var errs []error
	positive := func(name string, value int64) {
		if value <= 0 {
			errs = append(errs, fmt.Errorf("%s must be positive, not %d", name, value))
		}
	}
	if c.Feed == nil {
		errs = append(errs, errors.New("Feed is missing"))
	}
	if _, confirmed := c.Feed.(ConfirmedFeed); c.Feed != nil && c.Routes != nil && !confirmed {
		errs = append(errs, errors.New("Feed must confirm revisions where there are Routes"))
	}
	positive("ProgressInterval", int64(c.ProgressInterval))
	positive("HeartbeatInterval", int64(c.HeartbeatInterval))
	positive("PayloadBytesMax", int64(c.PayloadBytesMax))
	positive("BatchBytesMax", int64(c.BatchBytesMax))
	positive("IngestBytesMax", int64(c.IngestBytesMax))
	positive("RingBytesMax", int64(c.RingBytesMax))
	positive("SessionDeliveriesMax", int64(c.SessionDeliveriesMax))
	positive("SessionBytesMax", int64(c.SessionBytesMax))
	positive("AttachedDeliveriesMax", int64(c.AttachedDeliveriesMax))
	positive("AttachedBytesMax", int64(c.AttachedBytesMax))
	positive("DeliveryBytesMax", int64(c.DeliveryBytesMax))
	positive("ReadsMax", int64(c.ReadsMax))
	if c.PayloadBytesMax > payloadBytesLimit {
		errs = append(errs, fmt.Errorf("PayloadBytesMax is %d, over %d", c.PayloadBytesMax, payloadBytesLimit))
	}
	if c.BatchBytesMax > c.PayloadBytesMax {
		errs = append(errs, fmt.Errorf("BatchBytesMax is %d, over PayloadBytesMax, %d", c.BatchBytesMax, c.PayloadBytesMax))
	}
	return errors.Join(errs...)
}
