package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/quoratedb/quorate/services/watch/internal/natsserver"
)

const (
	batchSubject    = "quorate.watch.batch"
	interestSubject = "quorate.watch.interest"
	claimSubject    = "quorate.watch.claim"

	// flushTimeout bounds how long the server may take until it has the subscriptions.
	flushTimeout = 10 * time.Second
	// closeTimeout bounds how long Close waits for the NATS client to end.
	closeTimeout = 5 * time.Second
	// claimsQueuedMax bounds the claims that wait for whoever listens. More are dropped: they are repeated.
	claimsQueuedMax = 64
	// reconnectWait is short because the server is in the same process.
	reconnectWait = 50 * time.Millisecond
)

// ErrTooLarge is returned by Publish for a message whose encoding is over the payload limit.
var ErrTooLarge = errors.New("message is over the payload limit")

// Bus is this process's end of the broadcast over NATS. What it publishes it hands to its own node as Local does; over NATS go the
// messages of other nodes, and those for them.
type Bus struct {
	log             *slog.Logger
	payloadBytesMax int
	node            uint64
	server          *natsserver.Server
	conn            *nats.Conn
	// outside publishes to users, nil where there can be none.
	outside  *nats.Conn
	users    bool           // are let in here
	routed   bool           // there may be other nodes
	open     sync.WaitGroup // the connections
	local    *Local         // of all nodes' messages
	interest *interest
	claims   chan Claim
	encoded  []byte // Publish's buffer

	closing sync.Once
}

var _ Broadcast = (*Bus)(nil)

// Config says how far the broadcast reaches. Logger and PayloadBytesMax are required.
type Config struct {
	Logger *slog.Logger
	// PayloadBytesMax is the largest message.
	PayloadBytesMax int
	// Routes connect this process with other watch nodes. Nil means that there are none.
	Routes *natsserver.Routes
	// Users lets users' NATS clients in. Nil means that there are none.
	Users *natsserver.Users
}

// Open starts the embedded NATS server and connects to it. Close must be called to end both.
func Open(o Config) (*Bus, error) {
	started, err := natsserver.Start(natsserver.Config{
		Logger:          o.Logger,
		PayloadBytesMax: o.PayloadBytesMax,
		PendingBytesMax: pendingPayloadsMax * o.PayloadBytesMax,
		Routes:          o.Routes,
		Users:           o.Users,
	})
	if err != nil {
		return nil, err
	}
	b := &Bus{
		log:             o.Logger,
		payloadBytesMax: o.PayloadBytesMax,
		node:            rand.Uint64(),
		server:          started,
		users:           o.Users != nil,
		routed:          o.Routes != nil,
		local:           NewLocal(o.PayloadBytesMax),
		interest:        newInterest(),
		claims:          make(chan Claim, claimsQueuedMax),
	}
	if err := b.connect(); err != nil {
		b.server.Stop()
		return nil, err
	}
	if b.routed || b.users {
		if b.outside, err = b.dial(natsserver.PublisherUser); err != nil {
			b.Close()
			return nil, err
		}
	}
	return b, nil
}

// Server is the NATS server, for its routes and addresses.
func (b *Bus) Server() *natsserver.Server { return b.server }

// Node is this node's number among watch nodes, drawn anew at every start.
func (b *Bus) Node() uint64 { return b.node }

func (b *Bus) connect() (err error) {
	b.conn, err = b.dial(natsserver.InternalUser, nats.NoEcho())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.conn.Close()
			b.open.Wait()
		}
	}()
	batches, err := b.conn.Subscribe(batchSubject, func(m *nats.Msg) { b.heardBatch(m.Data) })
	if err != nil {
		return fmt.Errorf("subscribe to batches: %w", err)
	}
	if err = batches.SetPendingLimits(pendingMessagesMax, pendingPayloadsMax*b.payloadBytesMax); err != nil {
		return fmt.Errorf("limit pending batches: %w", err)
	}
	if _, err = b.conn.Subscribe(interestSubject, func(m *nats.Msg) { b.interest.heard(m.Data, time.Now()) }); err != nil {
		return fmt.Errorf("subscribe to interest: %w", err)
	}
	if _, err = b.conn.Subscribe(claimSubject, func(m *nats.Msg) { b.heardClaim(m.Data) }); err != nil {
		return fmt.Errorf("subscribe to claims: %w", err)
	}
	if err = b.conn.FlushTimeout(flushTimeout); err != nil {
		return fmt.Errorf("flush subscriptions: %w", err)
	}
	return nil
}

// dial connects to the server within the process.
func (b *Bus) dial(user string, options ...nats.Option) (*nats.Conn, error) {
	b.open.Add(1)
	conn, err := b.server.Dial(user, append(options,
		nats.Name("quorate-watch"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ClosedHandler(func(*nats.Conn) { b.open.Done() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("disconnected from NATS", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Debug("NATS client", "error", err)
		}),
	)...)
	if err != nil {
		b.open.Done()
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return conn, nil
}

// PublishMsg publishes a message to users. It is lost where there are none.
func (b *Bus) PublishMsg(m *nats.Msg) error {
	if b.outside == nil {
		return nil
	}
	return b.outside.PublishMsg(m)
}

// Close disconnects and stops the server, and waits for both. Receive fails from then on. It may be called twice.
func (b *Bus) Close() {
	b.closing.Do(func() {
		b.local.Close()
		b.conn.Close()
		if b.outside != nil {
			b.outside.Close()
		}
		closed := make(chan struct{})
		go func() {
			b.open.Wait()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(closeTimeout):
			b.log.Warn("NATS client does not end")
		}
		b.server.Stop()
	})
}

// Publish sends a message to every node, without waiting for any; where there are others it fails with ErrTooLarge, or if the
// connection does. It returns about the size of the message.
func (b *Bus) Publish(m *Message) (int, error) {
	others := b.server.RouteCount() > 0
	if others {
		encoded, err := m.appendTo(b.encoded[:0])
		if err != nil {
			return 0, fmt.Errorf("encode revisions %d to %d: %w", m.Follows+1, m.Through, err)
		}
		if len(encoded) > b.payloadBytesMax {
			return 0, fmt.Errorf("%w: %d of %d bytes", ErrTooLarge, len(encoded), b.payloadBytesMax)
		}
		b.encoded = encoded
	}
	bytes, err := b.local.Publish(m)
	if err != nil || !others {
		return bytes, err
	}
	if err := b.conn.Publish(batchSubject, b.encoded); err != nil {
		return 0, fmt.Errorf("publish revisions %d to %d: %w", m.Follows+1, m.Through, err)
	}
	return bytes, nil
}

// heardBatch takes in a message of another node; it ignores what is none.
func (b *Bus) heardBatch(data []byte) {
	m, err := decode(data)
	if err == nil {
		_, err = b.local.Publish(m)
	}
	if err != nil {
		b.log.Warn("batch ignored", "error", err)
	}
}

// Receive implements Broadcast.
func (b *Bus) Receive(ctx context.Context) (*Message, error) { return b.local.Receive(ctx) }

// Announce tells ingesters whether this node has watchers. It is to be repeated every AnnounceInterval.
func (b *Bus) Announce(watching bool) error {
	announcement := encodeInterest(b.node, watching, b.users)
	b.interest.heard(announcement, time.Now())
	if err := b.conn.Publish(interestSubject, announcement); err != nil {
		return fmt.Errorf("announce interest: %w", err)
	}
	return nil
}

// AnnounceInterval is how often Announce must be called for a node to count.
func (b *Bus) AnnounceInterval() time.Duration { return announceInterval }

// Interested tells whether any node has announced watchers of late.
func (b *Bus) Interested() bool { return b.interest.any(time.Now()) }

// Users tells whether any node lets users' NATS clients in.
func (b *Bus) Users() bool { return b.users || b.interest.anyUsers(time.Now()) }

// AlwaysAnnounce tells that a node has something to announce also while it has no watchers: that it lets users in.
func (b *Bus) AlwaysAnnounce() bool { return b.users && b.routed }

// InterestChanged yields a token after a node that had none has announced watchers.
func (b *Bus) InterestChanged() <-chan struct{} { return b.interest.changed }

// heardClaim takes in a claim of another node; it ignores what is none.
func (b *Bus) heardClaim(data []byte) {
	c, ok := decodeClaim(data)
	if !ok || c.Node == b.node {
		return
	}
	select {
	case b.claims <- c:
	default:
	}
}

// Claim tells all other nodes of a claim. That it returns does not mean that any has heard it.
func (b *Bus) Claim(c Claim) error {
	if err := b.conn.Publish(claimSubject, c.encode()); err != nil {
		return fmt.Errorf("publish claim: %w", err)
	}
	return nil
}

// Claims yields what other nodes claim.
func (b *Bus) Claims() <-chan Claim { return b.claims }
