// Package natsusers makes the watch service's listener for users' NATS clients of a configuration: the same in a process
// that is a whole store and in a watch node.
package natsusers

import (
	"log/slog"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/watch"
)

// Of is nil where NATS clients are not let in. auth is asked who they are while the store has users; audit, nil for none, gets a line about
// what each asks for; log is told what becomes of certificates, and who is refused.
func Of(c config.Config, auth Auth, audit *api.AuditLog, log *slog.Logger, budget descriptors.Budget) (*watch.Users, error) {
	if c.NATS.Listen == "" {
		return nil, nil
	}
	secrets, err := c.NATS.ServerTLS(c.TLSPolicy, log)
	if err != nil {
		return nil, err
	}
	k := newKeeper(auth, log)
	users := &watch.Users{Listen: c.NATS.Address(), User: c.NATS.User, Password: c.NATS.Password, Keeper: k, ConnectionsMax: budget.Subscribers, TLS: secrets}
	if audit != nil {
		users.Record = func(e watch.UserEvent) error { return k.record(audit, e) }
	}
	return users, nil
}
