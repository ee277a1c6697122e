package lease

import (
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// TTLMax is the longest time, in seconds, that a lease may be granted (285 years; etcd's limit).
const TTLMax = 9_000_000_000

// minTTLDefault is what etcd's default timing (ten ticks of 100 ms) makes the shortest lease. Seconds.
const minTTLDefault = 2

// MinTTL is the shortest lease, in seconds, that etcd grants with these timings: one and a half election timeouts,
// counted in whole ticks, in full seconds.
func MinTTL(electionTimeout, heartbeatInterval time.Duration) int64 {
	ticks := electionTimeout / heartbeatInterval
	shortest := ticks * 3 / 2 * heartbeatInterval
	return int64((shortest + time.Second - 1) / time.Second)
}

// grantedTTL is what who asks for a time gets: not less than the minimum, and an error above TTLMax.
func grantedTTL(asked, minimum int64) (int64, error) {
	if asked > TTLMax {
		return 0, fmt.Errorf("grant %d s: %w", asked, errdefs.ErrLeaseTTLTooLarge)
	}
	return max(asked, minimum), nil
}
