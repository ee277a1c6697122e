package peer

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"
)

// notices logs the same trouble with the same member only now and then: a peer that is down is tried many times a
// second.
type notices struct {
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

func newNotices(log *slog.Logger) *notices {
	n := &notices{log: log}
	n.mu.at = make(map[notice]*noticed)
	return n
}

// warn logs what happened with member, 0 for who is unknown, unless that was logged a short time ago.
func (n *notices) warn(member uint64, what string, args ...any) {
	n.warnOf(notice{member: member, what: what}, args...)
}

// warnWhy is warn for what happens for several reasons, of which a new one is news: the connections that are refused
// while a member starts must not hide that its certificate is refused then.
func (n *notices) warnWhy(member uint64, what string, why error, args ...any) {
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

func (n *notices) warnOf(of notice, args ...any) {
	member, what := of.member, of.what
	skipped, due := n.due(of, time.Now())
	if !due {
		return
	}
	if skipped > 0 {
		args = append(args, "again", skipped)
	}
	if member != 0 {
		args = append([]any{"peer", hex(member)}, args...)
	}
	n.log.Log(context.Background(), slog.LevelWarn, what, args...)
}

func (n *notices) due(of notice, now time.Time) (skipped int, due bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.mu.at[of]
	if seen == nil {
		if len(n.mu.at) >= noticesMax {
			clear(n.mu.at)
		}
		n.mu.at[of] = &noticed{last: now}
		return 0, true
	}
	if now.Sub(seen.last) < noticeInterval {
		seen.skipped++
		return 0, false
	}
	skipped = seen.skipped
	seen.last, seen.skipped = now, 0
	return skipped, true
}

// settled forgets what was logged about member: the next trouble is news.
func (n *notices) settled(member uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for of := range n.mu.at {
		if of.member == member {
			delete(n.mu.at, of)
		}
	}
}
