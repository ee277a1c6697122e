package lessor

import (
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// node is a lease service of a simulation: what package lease does around a Lessor, in one goroutine.
type node struct {
	*simulation
	name   int
	lessor *Lessor
	paused time.Duration // until when
	// acquiring and confirming say that this is under way.
	acquiring, confirming bool
	// giveUp are what ends, with an unknown outcome, when the epoch does.
	giveUp   map[int]func()
	proposed int
	waiting  []*keeping
}

// keeping is a keep-alive that waits for something.
type keeping struct {
	*Renewal
	id       int64
	asked    time.Duration
	clearing bool
}

func (n *node) isPaused() bool { return n.now < n.paused }

// step takes a step and does what follows.
func (n *node) step(take func(*Lessor)) {
	take(n.lessor)
	if e := n.lessor.Effects(); e != (Effects{}) {
		n.note("effects", n.name, e)
		if e.Ended == ErrFenced {
			n.note("fenced", n.name)
		}
		if e.Turned && n.lessor.Status().Role != Active {
			n.endEpoch()
		}
	}
}

func (n *node) endEpoch() {
	for i := range n.proposed + 1 {
		if end := n.giveUp[i]; end != nil {
			delete(n.giveUp, i)
			end()
		}
	}
	n.acquiring = false
}

// propose makes a proposal that ends with the epoch at the latest.
func (n *node) propose(epoch uint64, apply func(), known func(), unknown func()) {
	if n.giveUp == nil {
		n.giveUp = map[int]func(){}
	}
	n.proposed++
	id, stale := n.proposed, false
	n.giveUp[id] = unknown
	n.ask(n.apply(epoch, &stale, apply), func(answered bool) {
		if n.giveUp[id] == nil {
			return
		}
		delete(n.giveUp, id)
		switch {
		case answered && !stale:
			known()
		case answered:
			unknown()
			n.step(func(l *Lessor) { l.Fenced(epoch) })
		default:
			unknown()
			n.step(func(l *Lessor) { l.Reacquire() })
		}
	})
}

// tick is what the loops of a service do.
func (n *node) tick() {
	if n.isPaused() {
		return
	}
	status := n.lessor.Status()
	switch status.Role {
	case Acquiring:
		n.acquire(status.TableEpoch)
	case Active:
		if status.EpochOver {
			n.step(func(l *Lessor) { l.Reacquire() })
			return
		}
		n.confirm(status.Epoch)
		n.expire(status.Epoch)
		n.checkpoint(status.Epoch)
		if time.Duration(status.Reconciled)+20*time.Second < n.now {
			n.reconcile(false, func() {})
		}
	case Standby, Stopped:
	}
	waiting := n.waiting
	n.waiting = nil
	for _, k := range waiting {
		n.renew(k)
	}
}

func (n *node) acquire(known uint64) {
	if n.acquiring {
		return
	}
	n.acquiring = true
	began, epoch := n.moment(), uint64(0)
	n.ask(func() {
		if known != 0 && n.epoch != known {
			return // another holder has a newer one
		}
		n.epoch++
		epoch = n.epoch
	}, func(answered bool) {
		n.acquiring = false
		switch {
		case n.lessor.Status().Role != Acquiring || n.isPaused():
		case answered && epoch == 0:
			n.step(func(l *Lessor) { l.StandBy() })
		case !answered: // whether there is a newer one now, and whose, is not known
			n.step(func(l *Lessor) { l.StepDown(ErrSteppedDown); l.TakeOver() })
		default:
			n.step(func(l *Lessor) { l.Acquired(n.moment(), began, epoch) })
			activate := func() {
				n.step(func(l *Lessor) { require.NoError(n.t, l.Activate(epoch)) })
				n.note("active", n.name, epoch)
			}
			if epoch == known+1 && known != 0 {
				activate()
				return
			}
			n.acquiring = true
			n.reconcile(true, func() { n.acquiring = false; activate() })
		}
	})
}

func (n *node) reconcile(takeOver bool, done func()) {
	comparison := n.lessor.Reconcile(takeOver)
	list, epoch := n.list(), n.epoch
	n.after(n.delay(), func() {
		if !comparison.Going() || epoch != n.epoch && takeOver {
			n.acquiring = false
			return
		}
		n.step(func(*Lessor) {
			comparison.Listed(n.moment())
			n.note("reconciled", n.name, comparison.Add(n.moment(), list))
			for before := all; before > 0; {
				before, _ = comparison.Forget(before)
			}
			comparison.End()
		})
		done()
	})
}

func (n *node) confirm(epoch uint64) {
	due, _ := n.lessor.ConfirmationDue()
	if n.confirming || due > n.moment().At {
		return
	}
	n.confirming = true
	asked, newest := n.moment(), uint64(0)
	n.ask(func() { newest = n.epoch }, func(answered bool) {
		n.confirming = false
		if answered && !n.isPaused() {
			n.step(func(l *Lessor) { l.EpochSeen(n.moment(), asked, epoch, newest) })
		}
	})
}

func (n *node) expire(epoch uint64) {
	var ids []int64
	n.step(func(l *Lessor) { ids, _, _ = l.TakeExpired(n.moment(), 3) })
	if len(ids) == 0 {
		return
	}
	n.note("expire", n.name, ids)
	n.propose(epoch, func() {
		for _, id := range ids {
			require.LessOrEqual(n.t, n.promises[id], n.now, "lease %d is revoked early", id)
			delete(n.leases, id)
		}
		n.note("expired", ids)
	}, func() {
		n.step(func(l *Lessor) { l.Expired(ids, true) })
	}, func() {
		n.step(func(l *Lessor) { l.Expired(ids, false) })
	})
}

func (n *node) checkpoint(epoch uint64) {
	var due []*consensusv1.LeaseCheckpointOp_Remaining
	n.step(func(l *Lessor) { due, _ = l.TakeCheckpoints(n.moment(), 5) })
	if len(due) == 0 {
		return
	}
	ids := make([]int64, len(due))
	for i, r := range due {
		ids[i] = r.GetId()
	}
	release := func() { n.step(func(l *Lessor) { l.Checkpointed(ids) }) }
	n.propose(epoch, func() {
		for _, r := range due {
			n.record(r.GetId(), r.GetTtl())
		}
		n.note("checkpointed", ids)
	}, release, release)
}

func (n *node) record(id, ttl int64) {
	if l := n.leases[id]; l != nil {
		l.RemainingTtl = ttl
	}
}

// change proposes a client's grant or revoke.
func (n *node) change(id int64, apply func() (contradicted bool), told func(epoch uint64, o Outcome)) {
	if n.lessor.Assured(n.moment(), n.moment().Recent()) != Sure {
		return
	}
	epoch, _, latched := n.lessor.Latch(id)
	if !latched {
		return
	}
	stale, contradicted := false, false
	n.ask(n.apply(epoch, &stale, func() { contradicted = apply() }), func(answered bool) {
		outcome := Done
		switch {
		case !answered:
			outcome = Unknown
		case stale:
			n.step(func(l *Lessor) { l.Fenced(epoch) })
			outcome = Refused
		case contradicted:
			outcome = Contradicted
		}
		n.step(func(*Lessor) { told(epoch, outcome) })
	})
}

func (n *node) grant(id, ttl int64) {
	asked := n.now
	n.change(id, func() bool {
		there := n.leases[id] != nil
		if !there {
			n.leases[id] = &consensusv1.Lease{Id: id, GrantedTtl: ttl}
		}
		return there
	}, func(epoch uint64, o Outcome) {
		if n.lessor.Granted(n.moment(), epoch, id, ttl, o) {
			n.note("granted", id, ttl)
			n.promise(id, asked, ttl)
		}
	})
}

func (n *node) revoke(id int64) {
	delete(n.promises, id)
	n.change(id, func() bool {
		gone := n.leases[id] == nil
		delete(n.leases, id)
		n.promises[id] = 0
		return gone
	}, func(epoch uint64, o Outcome) {
		n.note("revoked", id, o)
		n.lessor.Revoked(epoch, id, o)
	})
}

func (n *node) keepAlive(id int64) {
	n.renew(&keeping{Renewal: NewRenewal([]int64{id}, n.moment()), id: id, asked: n.now})
}

// renew goes on with a keep-alive, which waits for the next tick if it has to.
func (n *node) renew(k *keeping) {
	if n.now-k.asked > 7*time.Second || n.lessor.Status().Role == Standby {
		return // it has failed
	}
	if k.clearing {
		n.waiting = append(n.waiting, k)
		return
	}
	if k.Busy != nil {
		select {
		case <-k.Busy.Released():
			k.Since = n.moment().Recent()
		default:
			n.waiting = append(n.waiting, k)
			return
		}
	}
	sure := false
	n.step(func(l *Lessor) { sure = l.Renew(n.moment(), k.Renewal) })
	switch {
	case sure && k.Answered():
		n.answer(k)
		return
	case sure && len(k.Recorded) > 0:
		n.clear(k)
	}
	n.waiting = append(n.waiting, k)
}

func (n *node) answer(k *keeping) {
	if k.TTLs[0] == 0 {
		require.Nil(n.t, n.leases[k.id], "lease %d is said to be gone", k.id)
		n.note("gone", k.id)
		return
	}
	n.note("renewed", k.id, k.TTLs[0])
	if _, wanted := n.promises[k.id]; wanted {
		n.promise(k.id, k.asked, k.TTLs[0])
	}
}

func (n *node) clear(k *keeping) {
	k.clearing = true
	stale := false
	n.ask(n.apply(k.Epoch, &stale, func() { n.record(k.id, 0) }), func(answered bool) {
		k.clearing = false
		n.step(func(l *Lessor) { l.RecordsCleared(k.Renewal, answered && !stale) })
		k.Since = n.moment().Recent()
		switch {
		case !answered:
			k.asked = -time.Hour // it has failed
		case stale:
			n.step(func(l *Lessor) { l.Fenced(k.Epoch) })
		default:
			n.note("cleared", k.id)
		}
	})
}
