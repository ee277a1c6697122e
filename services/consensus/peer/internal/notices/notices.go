// Package notices logs troubles with other members, each only now and then. It decides nothing.
package notices

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/identity"
)

const (
	// interval is how often the same trouble with the same peer is logged.
	interval = 10 * time.Second
	// reasonsMax is how many reasons of a trouble are told apart within interval.
	reasonsMax = 32
	// keptMax bounds what is remembered of what was logged; ids come from the other side.
	keptMax = 1024
)

// Notices logs the same trouble with the same member only now and then: a peer that is down is tried many times a
// second.
type Notices struct {
	log *slog.Logger
	mu  struct {
		sync.Mutex
		at map[notice]*noticed
	}
}

type notice struct {
	member uint64
	what   string
	reason uint32 // see reasonOf
}

type noticed struct {
	last    time.Time
	skipped int
}

// New returns a log of troubles that goes to log.
func New(log *slog.Logger) *Notices {
	n := &Notices{log: log}
	n.mu.at = make(map[notice]*noticed)
	return n
}

// Warn logs what happened with member, 0 for who is unknown, unless that was logged a short time ago.
func (n *Notices) Warn(member uint64, what string, args ...any) {
	n.warnOf(notice{member: member, what: what}, args...)
}

// WarnWhy is Warn for what happens for several reasons, of which a new one is news: the connections that are refused
// while a member starts must not hide that its certificate is refused then.
func (n *Notices) WarnWhy(member uint64, what string, why error, args ...any) {
	n.warnOf(notice{member, what, reasonOf(why.Error())}, append(args, "error", why)...)
}

// reasonOf tells reasons apart, though not more than reasonsMax: others may have a say in the text. Its digits are left
// out, because ports and addresses change each time.
func reasonOf(text string) uint32 {
	hash := fnv.New32a()
	for _, b := range []byte(text) {
		if b < '0' || b > '9' {
			_, _ = hash.Write([]byte{b}) // a hash takes everything
		}
	}
	return 1 + hash.Sum32()%reasonsMax
}

func (n *Notices) warnOf(of notice, args ...any) {
	member, what := of.member, of.what
	skipped, due := n.due(of, time.Now())
	if !due {
		return
	}
	if skipped > 0 {
		args = append(args, "again", skipped)
	}
	if member != 0 {
		args = append([]any{"peer", identity.Format(member)}, args...)
	}
	n.log.Log(context.Background(), slog.LevelWarn, what, args...)
}

func (n *Notices) due(of notice, now time.Time) (skipped int, due bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.mu.at[of]
	if seen == nil {
		if len(n.mu.at) >= keptMax {
			clear(n.mu.at)
		}
		n.mu.at[of] = &noticed{last: now}
		return 0, true
	}
	if now.Sub(seen.last) < interval {
		seen.skipped++
		return 0, false
	}
	skipped = seen.skipped
	seen.last, seen.skipped = now, 0
	return skipped, true
}

// Settled forgets what was logged about member: the next trouble is news.
func (n *Notices) Settled(member uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for of := range n.mu.at {
		if of.member == member {
			delete(n.mu.at, of)
		}
	}
}
