// Package supervisor starts services in an order and stops them in reverse.
package supervisor

import (
	"context"
	"errors"
	"fmt"
)

// ErrEnded is why a service that ends of its own accord stops the others: nothing works without all of them.
var ErrEnded = errors.New("ended without being told to")

// Supervisor runs services one after the other and stops them in reverse, each once the one that stands on it is
// through. It is owned by one goroutine; only Failed may be read by others.
type Supervisor struct {
	running []*running
	// Failed takes the error of each service that ends before it is told to.
	Failed chan error
}

type running struct {
	name   string
	stop   context.CancelFunc
	ended  chan struct{}
	reason error // set when ended is closed
}

// New returns a supervisor of at most servicesMax services.
func New(servicesMax int) *Supervisor {
	return &Supervisor{Failed: make(chan error, servicesMax)}
}

// Start runs a service in a goroutine of its own until stop.
func (s *Supervisor) Start(name string, run func(context.Context) error) {
	// Not derived from the caller's context: that would stop all services at once, in no order.
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{name: name, stop: cancel, ended: make(chan struct{})}
	s.running = append(s.running, r)
	go func() {
		defer close(r.ended)
		err := run(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = ErrEnded
			}
			s.Failed <- fmt.Errorf("%s: %w", name, err)
			return // the reason is told once
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			r.reason = fmt.Errorf("stop %s: %w", name, err)
		}
	}()
}

// Stop ends the services, the last one first, waits for each, and returns what went wrong on the way.
func (s *Supervisor) Stop() error {
	var problems []error
	for len(s.running) > 0 {
		last := s.running[len(s.running)-1]
		s.running = s.running[:len(s.running)-1]
		last.stop()
		<-last.ended
		problems = append(problems, last.reason)
	}
	return errors.Join(problems...)
}
