package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
	"github.com/quoratedb/quorate/tests/faults/compose/stack"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// holdMin and holdSpread say how long a container stays broken: longer than the others take to do without it.
	holdMin, holdSpread = 3 * time.Second, 3 * time.Second
	// calmMin and calmSpread say how long all is well between two faults.
	calmMin, calmSpread = 2 * time.Second, 2 * time.Second
	// recoveredWithin is how long everything may take to be well again, on a busy machine.
	recoveredWithin = 40 * time.Second
	// askWithin bounds one question, askAgain is the time between two.
	askWithin, askAgain = 5 * time.Second, 50 * time.Millisecond
)

// action is something done to a container, and how it is undone.
type action struct {
	name     string
	do, undo func(*stack.Container, context.Context) error
}

var actions = []action{
	{"kill", (*stack.Container).Kill, (*stack.Container).Start},
	{"pause", (*stack.Container).Pause, (*stack.Container).Unpause},
	{"disconnect", (*stack.Container).Disconnect, (*stack.Container).Connect},
}

// crash is done to one container of each kind, and undone by its restart policy.
var crash = action{"crash", (*stack.Container).Crash, func(*stack.Container, context.Context) error { return nil }}

// fault is one action on one container.
type fault struct {
	action
	container *stack.Container
}

// injected is a fault that was done. Times count from the start of the round.
type injected struct {
	name        string
	service     string
	begin, heal time.Duration
	// recovered is when every container was healthy and a client answered again.
	recovered time.Duration
}

// plan is every action on every container whose name together match, in an order that the seed shuffles.
func plan(containers []*stack.Container, only *regexp.Regexp, random *rand.Rand) []fault {
	var faults []fault
	crashed := map[string]bool{}
	for _, c := range containers {
		all := actions
		if k := kind(c.Service); !crashed[k] {
			crashed[k] = true
			all = append([]action{crash}, actions...)
		}
		for _, a := range all {
			if only.MatchString(a.name + " " + c.Service) {
				faults = append(faults, fault{a, c})
			}
		}
	}
	random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	return faults
}

// kind is what services that differ by a number have in common.
func kind(service string) string { return strings.TrimRight(service, "-0123456789") }

// breaker does faults one after the other.
type breaker struct {
	containers []*stack.Container
	random     *rand.Rand
	begin      time.Time
	// answers asks the stack as a client does.
	answers func(context.Context) error

	done []injected
	calm []history.Calm
}

// run does all faults. It ends with an undisturbed stack, or says what did not become well again.
func (b *breaker) run(ctx context.Context, faults []fault, log func(injected)) error {
	from := time.Since(b.begin)
	for _, f := range faults {
		if err := b.pause(ctx, calmMin, calmSpread); err != nil {
			return err
		}
		b.calm = append(b.calm, history.Calm{Begin: from, End: time.Since(b.begin)})
		if err := b.inject(ctx, f); err != nil {
			return fmt.Errorf("%s %s: %w", f.name, f.container.Name, err)
		}
		last := b.done[len(b.done)-1]
		log(last)
		from = last.recovered
	}
	return b.pause(ctx, calmMin, calmSpread)
}

func (b *breaker) inject(ctx context.Context, f fault) error {
	one := injected{name: f.name, service: f.container.Service, begin: time.Since(b.begin)}
	err := f.do(f.container, ctx)
	if err == nil {
		err = b.pause(ctx, holdMin, holdSpread)
	}
	one.heal = time.Since(b.begin)
	if err == nil {
		err = f.undo(f.container, ctx)
	}
	if err == nil {
		err = b.recovered(ctx)
	}
	one.recovered = time.Since(b.begin)
	b.done = append(b.done, one)
	return err
}

// recovered waits until every container is healthy and a client is answered.
func (b *breaker) recovered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recoveredWithin)
	defer cancel()
	checks := []func(context.Context) error{b.answers}
	for _, c := range b.containers {
		checks = append(checks, c.Healthy)
	}
	for _, check := range checks {
		if err := again(ctx, check); err != nil {
			return fmt.Errorf("not well again within %v: %w", recoveredWithin, err)
		}
	}
	return nil
}

// again asks until the answer is not an error, or the time is over.
func again(ctx context.Context, ask func(context.Context) error) error {
	return harness.Again(ctx, askWithin, askAgain, ask)
}

func (b *breaker) pause(ctx context.Context, least, spread time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(least + time.Duration(b.random.Int64N(int64(spread)))):
		return nil
	}
}
