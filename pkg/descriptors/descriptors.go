// Package descriptors divides the file descriptors that a process may have, so that clients, however many come, leave
// those that the store and the other members need. It opens and closes nothing.
package descriptors

import (
	"fmt"
	"math"
	"syscall"
)

// Budget says how many descriptors each part of a process may hold. Together they are at most Limit, unless that is below LimitMin.
type Budget struct {
	// Limit is what the process may have.
	Limit int
	// StoreFiles are the store's open tables. While a snapshot is installed there are two stores.
	StoreFiles int
	// Peers, Internal and Monitors are connections of members, of other services, and of those who ask for health and metrics.
	Peers, Internal, Monitors int
	// Subscribers are connections of users' NATS clients, where they are let in.
	Subscribers int
	// Clients are clients' connections.
	Clients int
}

const (
	// LimitMin is the least limit with which everything has what it needs.
	LimitMin = 256
	// LimitGood is the limit below which a server may run out of connections on a usual day.
	LimitGood = 4096
	// other is for what is opened one by one: the log's files, listeners, streams to the other members, log files.
	other = 48
	// clientsMin is what clients get at least, whatever the limit.
	clientsMin = 8
	// clientsMax is a bound for accidents, not a quota: a connection costs about 70 KiB once it is served.
	clientsMax = 1 << 16
)

// part is a share of the limit, in a part's bounds.
type part struct{ share, least, most int }

var (
	storeFiles = part{share: 8, least: 24, most: 1000}
	peers      = part{share: 8, least: 24, most: 1024}
	internal   = part{share: 32, least: 8, most: 1024}
	monitors   = part{share: 32, least: 8, most: 128}
	// A NATS client costs up to 16 MiB while it does not read.
	subscribers = part{share: 16, least: 8, most: 1024}
)

func (p part) of(limit int) int { return min(max(limit/p.share, p.least), p.most) }

// Divide divides a limit.
func Divide(limit int) Budget {
	b := Budget{
		Limit:       limit,
		StoreFiles:  storeFiles.of(limit),
		Peers:       peers.of(limit),
		Internal:    internal.of(limit),
		Monitors:    monitors.of(limit),
		Subscribers: subscribers.of(limit),
	}
	rest := limit - 2*b.StoreFiles - b.Peers - b.Internal - b.Monitors - b.Subscribers - other
	b.Clients = min(max(rest, clientsMin), clientsMax)
	return b
}

// Ours divides what this process may have. Go has raised the soft limit to the hard one when the process started.
func Ours() (Budget, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return Divide(LimitGood), fmt.Errorf("ask for the limit on open files: %w", err)
	}
	return Divide(int(min(limit.Cur, math.MaxInt32))), nil
}

// Forwarded is how many connections a process may forward that does nothing else: each takes two.
func (b Budget) Forwarded() int { return min(max((b.Limit-other)/2, clientsMin), clientsMax) }

// Advice says what to do about a limit that is too low; empty if it is not.
func (b Budget) Advice() string {
	switch {
	case b.Limit < LimitMin:
		return fmt.Sprintf("the limit on open files is %d, which is too few to run safely: the store or other members may find none left. Raise it to %d or more (ulimit -n, LimitNOFILE)", b.Limit, LimitGood)
	case b.Limit < LimitGood:
		return fmt.Sprintf("the limit on open files is %d, which leaves %d connections to clients, and further ones are refused. Raise it to %d or more (ulimit -n, LimitNOFILE)", b.Limit, b.Clients, LimitGood)
	default:
		return ""
	}
}
