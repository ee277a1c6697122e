package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
	"github.com/quoratedb/quorate/tests/faults/chaos/history"
	"github.com/quoratedb/quorate/tests/faults/chaos/network"
)

const (
	// holdMin and holdSpread say how long something stays broken: longer than an election takes.
	holdMin, holdSpread = 2 * time.Second, 3 * time.Second
	// calmMin and calmSpread say how long all is well between two faults: some leases are to end in it.
	calmMin, calmSpread = 3 * time.Second, 5 * time.Second
)

// Scene is what faults are done to.
type Scene struct {
	Cluster *cluster.Cluster
	Network *network.Network
	Random  *rand.Rand
}

// heal undoes a fault.
type heal func(context.Context) error

// Fault is one way to break a cluster.
type Fault struct {
	Name string
	// onNetwork faults set the network's links themselves, or need good ones.
	onNetwork bool
	// strike breaks something, and says what, and how to undo it. An error means that the cluster did not allow what it ought to, and is a failure.
	strike func(context.Context, *Scene) (string, heal, error)
}

// Injected is a fault that was done. Times count from the start of the run.
type Injected struct {
	Name, Detail string
	Begin, Heal  time.Duration
	// Recovered is when every member served again.
	Recovered time.Duration
}

// Report is what was done.
type Report struct {
	Injected []Injected
	// Calm are the stretches between, ordered.
	Calm []history.Calm
}

// Run injects faults until the duration is over, and ends with an undisturbed cluster that serves. An error says that the cluster did
// not do what it should in spite of a fault, or after it.
func Run(ctx context.Context, scene *Scene, faults []Fault, begin time.Time, duration time.Duration) (*Report, error) {
	r := &run{scene: scene, begin: begin}
	r.calmFrom = time.Since(begin)
	if err := r.calm(ctx); err != nil {
		return &r.report, err
	}
	for {
		order := scene.Random.Perm(len(faults))
		for _, i := range order {
			if time.Since(begin) > duration {
				return &r.report, nil
			}
			if err := r.inject(ctx, faults[i]); err != nil {
				return &r.report, fmt.Errorf("%s: %w", faults[i].Name, err)
			}
			if err := r.calm(ctx); err != nil {
				return &r.report, err
			}
		}
	}
}

type run struct {
	scene    *Scene
	begin    time.Time
	calmFrom time.Duration
	report   Report
}

func (r *run) inject(ctx context.Context, fault Fault) error {
	done := Injected{Name: fault.Name, Begin: time.Since(r.begin)}
	how, settle := "", r.scene.Network.Heal
	if !fault.onNetwork {
		how, settle = r.scene.disturb(ctx)
	}
	detail, undo, err := fault.strike(ctx, r.scene)
	done.Detail = detail + how
	if err == nil {
		err = pause(ctx, holdMin, holdSpread, r.scene.Random)
	}
	done.Heal = time.Since(r.begin)
	settle()
	if undo != nil && err == nil {
		err = undo(ctx)
	}
	if err == nil {
		err = r.scene.Cluster.Healthy(ctx)
	}
	done.Recovered = time.Since(r.begin)
	r.report.Injected = append(r.report.Injected, done)
	r.calmFrom = done.Recovered
	return err
}

// calm leaves the cluster alone for a while.
func (r *run) calm(ctx context.Context) error {
	err := pause(ctx, calmMin, calmSpread, r.scene.Random)
	r.report.Calm = append(r.report.Calm, history.Calm{Begin: r.calmFrom, End: time.Since(r.begin)})
	return err
}

func pause(ctx context.Context, least, spread time.Duration, random *rand.Rand) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(least + time.Duration(random.Int64N(int64(spread)))):
		return nil
	}
}
