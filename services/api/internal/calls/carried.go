package calls

import (
	"context"
	"strconv"
	"sync"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/quoratedb/quorate/pkg/budget"
)

// PipeNetwork is the network of connections to our own gRPC server, over which the gateway calls.
const PipeNetwork = "pipe"

// carriedKey is the metadata by which a call over the pipe names the answer of the HTTP request that it is made for. So one answer
// is counted from its reading to its writing: two would leave a moment in between in which others take its room.
const carriedKey = "quorate-answer"

// carried are the answers of HTTP requests for which a call is under way, by number.
type carried struct {
	mu      sync.Mutex
	last    uint64
	answers map[string]*budget.Answer
}

func (c *carried) add(answer *budget.Answer) (name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	name = strconv.FormatUint(c.last, 10)
	if c.answers == nil {
		c.answers = make(map[string]*budget.Answer)
	}
	c.answers[name] = answer
	return name
}

func (c *carried) remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.answers, name)
}

// of returns the answer that a call names, nil if it names none. Only what comes over the pipe is believed.
func (c *carried) of(ctx context.Context) *budget.Answer {
	client, ok := peer.FromContext(ctx)
	if !ok || client.Addr.Network() != PipeNetwork {
		return nil
	}
	names := metadata.ValueFromIncomingContext(ctx, carriedKey)
	if len(names) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers[names[len(names)-1]]
}
