package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// Config says how a member talks to the others.
type Config struct {
	// AdvertiseURLs are where the others reach this member. They are told to members that do not know this one yet.
	AdvertiseURLs []string
	// ServerVersion is this program's version. It is for people to read: what members can say to each other is the
	// protocol's version.
	ServerVersion string
	// EtcdVersion is the version of etcd that GET /version answers.
	EtcdVersion string
	// ElectionTimeout is about how long a stream may be silent before it is taken for broken, though never below
	// silenceMin. 0 is for the default, one second.
	ElectionTimeout time.Duration

	// Connections bounds those that others make to this member, nil does not.
	Connections *ingress.Connections
	// TLS is for connections to URLs with TLS; nil has them verified against the system's authorities.
	TLS tlsconfig.Client
	// LocalAddress is where connections to other members come from; nil for what the machine chooses.
	LocalAddress net.IP

	// SnapshotDir is where snapshots arrive. It belongs to the transport alone, and is emptied by Run. Empty refuses
	// snapshots.
	SnapshotDir string
	// SnapshotBytesPerSecond bounds what is sent of snapshots to all members together, 0 for
	// SnapshotBytesPerSecondDefault, negative for no bound. It is no less than SnapshotBytesPerSecondMin.
	SnapshotBytesPerSecond int64
	FS                     vfs.FS // nil for the machine's

	Logger     *slog.Logger          // nil for none
	Registerer prometheus.Registerer // nil for no metrics
}

func (c Config) withDefaults() Config {
	if c.ElectionTimeout == 0 {
		c.ElectionTimeout = time.Second
	}
	if c.SnapshotBytesPerSecond == 0 {
		c.SnapshotBytesPerSecond = SnapshotBytesPerSecondDefault
	}
	if c.FS == nil {
		c.FS = owneronly.FS
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports everything that is wrong with the configuration, at once.
func (c Config) Validate() error {
	var problems []error
	if c.ElectionTimeout < 0 {
		problems = append(problems, fmt.Errorf("election timeout %s is negative", c.ElectionTimeout))
	}
	if c.SnapshotBytesPerSecond > 0 && c.SnapshotBytesPerSecond < SnapshotBytesPerSecondMin {
		problems = append(problems, fmt.Errorf("%d bytes of snapshots a second are too few: receivers would take the sender for dead, allow at least %d", c.SnapshotBytesPerSecond, SnapshotBytesPerSecondMin))
	}
	for _, text := range c.AdvertiseURLs {
		if _, err := wire.ParseURL(text); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// silence is how long a stream may be without a sign of life.
func (c Config) silence() time.Duration {
	return max(c.ElectionTimeout, silenceMin)
}
