package nats

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Value is a key's value and the revision that set it.
type Value struct {
	Data     string
	Revision int64
}

// Mirror keeps a copy of the keys below a prefix. Events come by NATS, which may lose them; what was lost is read.
type Mirror struct {
	Store  *clientv3.Client
	Prefix string // of keys, such as /config/
	// Values are the keys, and Revision is one that Values are no older than.
	Values   map[string]Value
	Revision int64
	// Reads counts how often everything was read.
	Reads int
}

// Follow keeps the copy current and calls changed after each step, until ctx ends. The subject is the prefix's, such as
// quorate.kv.config.> for /config/.
func (m *Mirror) Follow(ctx context.Context, server, subject string, changed func()) error {
	doubts := make(chan struct{}, 1) // a token when messages may have been lost
	doubt := func() {
		select {
		case doubts <- struct{}{}:
		default:
		}
	}
	conn, err := nats.Connect(server, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectHandler(func(*nats.Conn) { doubt() }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { doubt() }), // a slow consumer, for one
	)
	if err != nil {
		return err
	}
	defer conn.Close()
	messages := make(chan *nats.Msg, 1024)
	if _, err := conn.ChanSubscribe(subject, messages); err != nil {
		return err
	}
	doubt() // subscribed first, then read: nothing falls between
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-doubts:
			if err := conn.FlushTimeout(5 * time.Second); err != nil { // then the server knows the subscription (again)
				doubt()
				continue
			}
			if err := m.read(ctx); err != nil {
				doubt()
				continue
			}
		case message := <-messages:
			gap, err := m.apply(message)
			if err != nil {
				return err
			}
			if gap {
				doubt()
			}
		}
		changed()
	}
}

// read replaces the copy with what the store has.
func (m *Mirror) read(ctx context.Context) error {
	resp, err := m.Store.Get(ctx, m.Prefix, clientv3.WithPrefix())
	if err != nil {
		return err
	}
	m.Values, m.Revision = make(map[string]Value), resp.Header.Revision
	for _, kv := range resp.Kvs {
		m.Values[string(kv.Key)] = Value{string(kv.Value), kv.ModRevision}
	}
	m.Reads++
	return nil
}

// apply takes in an event, and tells whether one of the same key is missing before it.
func (m *Mirror) apply(message *nats.Msg) (gap bool, err error) {
	key, err := url.PathUnescape(message.Header.Get("Quorate-Key"))
	if err != nil {
		return false, fmt.Errorf("key of %s: %w", message.Subject, err)
	}
	revision, err := strconv.ParseInt(message.Header.Get("Quorate-Revision"), 10, 64)
	if err != nil {
		return false, fmt.Errorf("revision of %s: %w", message.Subject, err)
	}
	previous, err := strconv.ParseInt(message.Header.Get("Quorate-Previous-Revision"), 10, 64)
	if err != nil {
		return false, fmt.Errorf("previous revision of %s: %w", message.Subject, err)
	}
	known := m.Values[key]
	switch {
	case revision <= m.Revision || revision <= known.Revision:
		return false, nil // read already, or a duplicate
	case previous != known.Revision, message.Header.Get("Quorate-Value-Bytes") != "":
		return true, nil // or the value was too large for NATS
	case message.Header.Get("Quorate-Type") == "DELETE":
		delete(m.Values, key)
	default:
		m.Values[key] = Value{string(message.Data), revision}
	}
	return false, nil
}
