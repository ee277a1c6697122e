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

	mu struct {
		sync.Mutex
		known map[uint64]guest
	}
}

// guest is a user who has come in.
type guest struct {
	user, peer string
	rights     Rights
}

// forgetAbove is how many guests are known before those are forgotten that have left.
const forgetAbove = 2 * usersMax

// admit notes that somebody has come in, or was refused. It tells whether they may.
func (g *guests) admit(nats *server.Server, client server.ClientAuthentication, name string, rights Rights, refused bool) bool {
	if g.record == nil {
		return !refused
	}
	var who guest
	who.user, who.rights = name, rights
	if address := client.RemoteAddress(); address != nil {
		who.peer = address.String()
	}
	if g.record(Event{User: who.user, Peer: who.peer, Refused: refused}) != nil || refused {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.mu.known) >= forgetAbove {
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
