package lease

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// checkpointIntervalDefault is the most that a lease goes without a keep-alive before its remaining time is recorded.
	checkpointIntervalDefault = 5 * time.Minute
	// reconcileIntervalDefault is how often the leases counted here are compared with those that exist. A grant whose
	// outcome was not learnt triggers a comparison by itself, so this only bounds how late a surprise is found.
	reconcileIntervalDefault = time.Minute
	// requestTimeoutDefault is how long a request waits for this service to be sure of its epoch, or for the outcome
	// of a revoke. etcd's requests have as long with its default election timeout.
	requestTimeoutDefault = 7 * time.Second
	// revokeLeasesMaxDefault is how many expired leases one log entry revokes. Their keys go in one revision, which
	// watchers get in one piece: more would make that piece unwieldy, fewer would cost more entries.
	revokeLeasesMaxDefault = 500
	// revokesInFlightMaxDefault is how many such entries may wait for their outcome at once: enough to keep the log
	// busy while one is applied, few enough to leave room for clients' writes.
	revokesInFlightMaxDefault = 4
)

// Config is what a Service needs to know. Durations and limits that are zero take their defaults.
type Config struct {
	// Consensus is the replicated store. Required.
	Consensus Consensus
	// Holder names this service in the log, among others that may take over. Required.
	Holder string
	// MinTTL is the shortest time a lease is granted, in seconds; requests for less are raised to it. See MinTTL.
	MinTTL int64
	// Standby makes Run wait for TakeOver before it acquires an epoch.
	Standby bool

	CheckpointInterval time.Duration
	ReconcileInterval  time.Duration
	RequestTimeout     time.Duration
	RevokeLeasesMax    int
	RevokesInFlightMax int

	// Logger may be nil for none.
	Logger *slog.Logger
	// Registerer may be nil for no metrics.
	Registerer prometheus.Registerer
}

// validated fills in the defaults and reports everything that is wrong with the configuration at once.
func (c Config) validated() (Config, error) {
	c.MinTTL = orDefault(c.MinTTL, minTTLDefault)
	c.CheckpointInterval = orDefault(c.CheckpointInterval, checkpointIntervalDefault)
	c.ReconcileInterval = orDefault(c.ReconcileInterval, reconcileIntervalDefault)
	c.RequestTimeout = orDefault(c.RequestTimeout, requestTimeoutDefault)
	c.RevokeLeasesMax = orDefault(c.RevokeLeasesMax, revokeLeasesMaxDefault)
	c.RevokesInFlightMax = orDefault(c.RevokesInFlightMax, revokesInFlightMaxDefault)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var wrong []error
	if c.Consensus == nil {
		wrong = append(wrong, errors.New("no Consensus is set"))
	}
	if c.Holder == "" {
		wrong = append(wrong, errors.New("no Holder is set"))
	}
	if c.MinTTL < 0 || c.MinTTL > TTLMax {
		wrong = append(wrong, fmt.Errorf("the MinTTL is %d s, not between 1 and %d", c.MinTTL, int64(TTLMax)))
	}
	for name, d := range map[string]time.Duration{
		"CheckpointInterval": c.CheckpointInterval,
		"ReconcileInterval":  c.ReconcileInterval,
		"RequestTimeout":     c.RequestTimeout,
	} {
		if d < 0 {
			wrong = append(wrong, fmt.Errorf("%s is negative: %s", name, d))
		}
	}
	if c.RevokeLeasesMax < 0 || c.RevokesInFlightMax < 0 {
		wrong = append(wrong, fmt.Errorf("limits RevokeLeasesMax (%d) or RevokesInFlightMax (%d) is negative",
			c.RevokeLeasesMax, c.RevokesInFlightMax))
	}
	if err := errors.Join(wrong...); err != nil {
		return c, fmt.Errorf("lease: configuration: %w", err)
	}
	return c, nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
