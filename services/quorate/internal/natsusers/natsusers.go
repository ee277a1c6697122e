// Package natsusers makes the watch service's listener for users' NATS clients of a configuration: the same in a process
// that is a whole store and in a watch node.
package natsusers

import (
	"log/slog"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/watch"
)

// Of is nil where NATS clients are not let in. auth is asked who they are while the store has users; log is told what becomes of
// certificates, and who is refused.
func Of(c config.Config, auth Auth, log *slog.Logger, budget descriptors.Budget) (*watch.Users, error) {
	if c.NATS.Listen == "" {
		return nil, nil
	}
	secrets, err := c.NATS.ServerTLS(c.TLSPolicy, log)
	if err != nil {
		return nil, err
	}
	return &watch.Users{Listen: c.NATS.Address(), User: c.NATS.User, Password: c.NATS.Password, Keeper: newKeeper(auth, log), ConnectionsMax: budget.Subscribers, TLS: secrets}, nil
}
