package lease

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TTLMax is the longest time, in seconds, that a lease may be granted (285 years; etcd's limit).
const TTLMax = 9_000_000_000

const (
	// minTTLDefault is what etcd's default timing (ten ticks of 100 ms) makes the shortest lease. Seconds.
	minTTLDefault = 2
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

const (
	// holdWindow is how long a confirmation that this service holds the newest epoch allows it to answer keep-alives
	// and to find leases expired without asking again. A take-over adds as much to every lease's time, so that a keep-alive answered in the
	// window by a holder that was just replaced still keeps its promise.
	holdWindow = 500 * time.Millisecond
	// expiryPause is how long the expirer gathers expired leases between two looks: it bounds how late a lease
	// expires and how many entries a trickle of expiries costs.
	expiryPause = 100 * time.Millisecond
	// confirmInterval is how often the epoch is confirmed while there are leases, and nothing else confirms it: twice in
	// holdWindow, so that one slow answer does not stop the leases' time.
	confirmInterval = holdWindow / 2
	// settlePause is the least time for which an epoch is held before it is given up because of lost outcomes.
	settlePause = 250 * time.Millisecond
	// reconcilePause is the least time between two comparisons, however many were asked for.
	reconcilePause = time.Second
	// checkpointLeasesMax is how many leases one checkpoint entry records.
	checkpointLeasesMax = 1000
	// checkpointsPerInterval is how many times in an interval due checkpoints are looked for.
	checkpointsPerInterval = 300
	// checkpointPauseMin is the shortest time between two checkpoints of a lease.
	checkpointPauseMin = time.Second
	// checkpointsPerLease is into how many parts the time of a lease that nobody keeps alive is cut by checkpoints: a take-over
	// gives it at most one such part more than it had.
	checkpointsPerLease = 4
	// checkpointKeptPart of checkpointKeptOf parts of its time is how long a lease that is kept alive goes without a checkpoint:
	// clients ask again after one part of three, and may be late.
	checkpointKeptPart, checkpointKeptOf = 2, 3
	// checkpointSpareOf: half of its time is what a lease that was taken over goes without a checkpoint at first. Clients ask again
	// after a third.
	checkpointSpareOf = 2
	// checkpointEntriesMax is how many checkpoint entries are proposed at each look: at the default interval 10,000 leases a second.
	// A million that fall due together, as after a take-over, leave the log to clients meanwhile.
	checkpointEntriesMax = 10
	// retryPauseMin and retryPauseMax bound the doubling pause between attempts that fail.
	retryPauseMin = 50 * time.Millisecond
	retryPauseMax = 2 * time.Second
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

// MinTTL is the shortest lease, in seconds, that etcd grants with these timings: one and a half election timeouts,
// counted in whole ticks, in full seconds.
func MinTTL(electionTimeout, heartbeatInterval time.Duration) int64 {
	ticks := electionTimeout / heartbeatInterval
	shortest := ticks * 3 / 2 * heartbeatInterval
	return int64((shortest + time.Second - 1) / time.Second)
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
