package natsserver

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/quoratedb/quorate/services/watch/internal/natspublisher"
)

// Event is what a user has tried, or what is over for them.
type Event struct {
	// User is the name; of a refused log-in the one that was said. It is empty where nobody is asked for one.
	User string
	// Peer is the client's address.
	Peer string
	// Subject is that of a subscription; it is empty for a log-in, and for a connection that ends.
	Subject string
	// Ranges are the keys that a subscription may hear of, or those of all that end: see natspublisher.Ranges.
	Ranges [][2][]byte
	// Refused says that it may not be, Ended that the connection is over, because rights have changed: users come in anew.
	Refused, Ended bool
}

// guests are the users that have come in, by the ids that NATS gives their connections.
type guests struct {
	record func(Event) error // nil where nobody wants to know
	// forgetAbove is how many are known before those are forgotten that have left.
	forgetAbove int

	mu struct {
		sync.Mutex
		known map[uint64]guest
		// now is what users were reviewed for, and lost counts how often all had to come in anew.
		now  Standing
		lost int
	}
}

// guest is a user who has come in.
type guest struct {
	user, peer string
	rights     Rights
	at         Standing // when the rights were looked up
}

// lost is how often all had to come in anew.
func (g *guests) lost() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.lost
}

// review begins one: now is told of a change, or of a time in which nobody could tell.
func (g *guests) review(now Standing, all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.now = now
	if all {
		g.mu.lost++
	}
}

// leaves tells whether a connection is a guest's whose rights are from before a change.
func (g *guests) leaves(id uint64, now Standing) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	who, known := g.mu.known[id]
	return known && who.at.Before(now)
}

// missed tells whether rights are from before what users were reviewed for, or from before all had to come in anew.
func (g *guests) missed(at Standing, lost int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.missedLocked(at, lost)
}

func (g *guests) missedLocked(at Standing, lost int) bool {
	return g.mu.lost != lost || at.Before(g.mu.now)
}

// admit notes that somebody has come in, whose rights were looked up since all had to come in anew so often, or was refused. It tells whether they may.
func (g *guests) admit(nats *server.Server, client server.ClientAuthentication, who guest, lost int, refused bool) bool {
	if address := client.RemoteAddress(); address != nil {
		who.peer = address.String()
	}
	if g.record != nil && g.record(Event{User: who.user, Peer: who.peer, Refused: refused}) != nil || refused {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.missedLocked(who.at, lost) {
		return false // while that was recorded
	}
	if len(g.mu.known) >= g.forgetAbove {
		for id := range g.mu.known {
			if nats.GetClient(id) == nil {
				delete(g.mu.known, id)
			}
		}
	}
	if g.mu.known == nil {
		g.mu.known = make(map[uint64]guest)
	}
	g.mu.known[client.GetID()] = who
	return true
}

// subscribing is how NATS traces what a client's connection begins its lines with.
var subscribing = regexp.MustCompile(`cid:(\d+)\b.*<<- %s$`)

// traced is told of each line of NATS's trace: there is no other way to hear of a subscription before it is made. The goroutine is that of
// the client's connection, which holds no lock then.
func (g *guests) traced(nats *server.Server, format string, v []any) {
	if len(v) != 1 {
		return
	}
	words, ok := v[0].([]any)
	if !ok || len(words) != 2 || words[0] != "SUB" {
		return
	}
	found := subscribing.FindStringSubmatch(format)
	arguments := strings.Fields(fmt.Sprint(words[1])) // subject, maybe a queue, and an id
	if found == nil || len(arguments) == 0 {
		return
	}
	id, _ := strconv.ParseUint(found[1], 10, 64) // it is digits
	g.mu.Lock()
	who, known := g.mu.known[id]
	g.mu.Unlock()
	if !known {
		return // this process's own
	}
	subject := strings.Clone(arguments[0])
	event := Event{User: who.user, Peer: who.peer, Subject: subject, Ranges: natspublisher.Ranges(subject), Refused: !who.rights.allow(subject)}
	if g.record(event) != nil {
		_ = nats.DisconnectClientByID(id) // it fails for one that has left
	}
}

// ended notes that connections are over. It stops at the first that cannot be noted, and returns why.
func (g *guests) ended(connections []*server.ConnInfo) error {
	for _, c := range connections {
		g.mu.Lock()
		who, known := g.mu.known[c.Cid]
		delete(g.mu.known, c.Cid)
		g.mu.Unlock()
		if !known {
			continue
		}
		event := Event{User: who.user, Peer: who.peer, Ended: true}
		for _, subject := range c.Subs {
			event.Ranges = append(event.Ranges, natspublisher.Ranges(subject)...)
		}
		if err := g.record(event); err != nil {
			return err
		}
	}
	return nil
}
