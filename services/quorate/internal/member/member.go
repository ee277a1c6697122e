// Package member opens a member of the store, with its side towards the other members, as a configuration describes it:
// the same in a process that is a whole store and in one that is a member alone.
package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/descriptors"
	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// handOverTimeout bounds how long a stopping leader waits for another to take over.
const handOverTimeout = 3 * time.Second

// New opens the member's data, until ctx ends, and finds out who the member is at the first start. clientURLs are where clients
// reach the member, as the member list tells.
func New(ctx context.Context, c config.Config, clientURLs []string, peers *Peers, log *slog.Logger, metrics prometheus.Registerer, budget descriptors.Budget) (*consensus.Member, error) {
	age, revisions, err := c.Retention()
	if err != nil {
		return nil, err
	}
	token := c.InitialClusterToken
	if token == consensus.DefaultClusterToken || len(c.Discovery.Endpoints) > 0 {
		token = "" // probably not said at all, or by --discovery-token alone: a directory of any cluster is fine then
	}
	var notFound error
	asked := false
	forget := c.RememberDirectory()
	if err := c.PlaceLog(); err != nil {
		return nil, err
	}
	opened, err := consensus.New(consensus.Config{
		DataDir:            c.Directory(),
		Name:               c.Name,
		ClientURLs:         clientURLs,
		ClusterToken:       token,
		ForceNewCluster:    c.ForceNewCluster,
		Transport:          peers.Transport,
		LaxReconfiguration: !c.StrictReconfigCheck,
		CompactRoot:        c.AuthCompactRoot,
		HeartbeatInterval:  c.HeartbeatInterval,
		ElectionTicks:      int(c.ElectionTimeout / c.HeartbeatInterval),
		SnapshotCount:      cmp.Or(c.SnapshotCount, config.Default().SnapshotCount),
		OpenFilesMax:       budget.StoreFiles,
		QuotaBytes:         max(c.QuotaBackendBytes, 0),
		DiskMarks:          consensus.DiskMarks{SoftBytes: c.DiskSoftMarkBytes, HardBytes: c.DiskHardMarkBytes},
		AutoCompaction:     consensus.AutoCompaction{Retention: age, Revisions: revisions},
		StateCheck:         consensus.StateCheck{Interval: c.CorruptCheckTime, SkipInitial: !c.InitialCorruptCheck},
		Auditor:            auditor{peers.Transport},
		TokenTTL:           time.Duration(c.AuthTokenTTL) * time.Second,
		BcryptCost:         int(c.BcryptCost),
		SlowApply:          c.WarningApplyDuration,
		Interrupt:          ctx.Done(),
		Logger:             log,
		Registerer:         metrics,
		Found: func() (found consensus.Founding, err error) {
			asked = true
			found, notFound = finder{c, peers.client, log}.find(ctx)
			return found, notFound
		},
	})
	if notFound != nil {
		return nil, errors.Join(notFound, forget())
	}
	if err != nil {
		return nil, fmt.Errorf("--data-dir=%s: %w", c.Directory(), err)
	}
	if c.Discovers() && !asked {
		log.Warn("nothing is discovered, because the data directory holds a member already", "data-dir", c.Directory())
	}
	return opened, nil
}

// HandOver waits for the end of ctx and then has m, if it leads, give leadership away.
func HandOver(ctx context.Context, m *consensus.Member, log *slog.Logger) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handOverTimeout)
	defer cancel()
	if err := m.HandOver(ctx); err != nil && !errors.Is(err, errdefs.ErrStopped) {
		log.Warn("could not hand leadership over before stopping", "error", err)
	}
	return nil
}
