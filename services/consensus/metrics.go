package consensus

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3"
)

// registered are metrics that can be taken back.
type registered struct {
	registerer prometheus.Registerer
	collectors []prometheus.Collector
}

func (r registered) unregister() {
	for _, c := range r.collectors {
		r.registerer.Unregister(c)
	}
}

// registerLeader offers what is asked for first of all, also while the member's data opens: whether there is a leader.
func registerLeader(m *Member, registerer prometheus.Registerer) (registered, error) {
	if registerer == nil {
		return registered{}, nil
	}
	leader := gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence, 0 is not.", func() float64 {
		return flag(m.assembled.Load() && m.replica.LeaderID() != raft.None)
	})
	if err := registerer.Register(leader); err != nil {
		return registered{}, fmt.Errorf("register a metric: %w", err)
	}
	return registered{registerer, []prometheus.Collector{leader}}, nil
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// registerMetrics offers the member's state under etcd's names where they mean the same. They are read when they are
// scraped: nothing is counted on the way of a request. The stores register their own.
func registerMetrics(m *Member, registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{
		gauge("etcd_debugging_auth_revision", "The current revision of auth store.", func() float64 {
			state, err := m.callers.state()
			if err != nil {
				return 0
			}
			return float64(state.Revision())
		}),
		gauge("etcd_server_is_leader", "Whether or not this member is a leader. 1 if is, 0 otherwise.", func() float64 {
			return flag(m.replica.Leads())
		}),
		gauge("etcd_server_proposals_committed_total", "The newest committed log index.", func() float64 {
			return float64(m.replica.Committed())
		}),
		gauge("etcd_server_proposals_applied_total", "The newest applied log index.", func() float64 {
			return float64(m.replica.Applied())
		}),
		gauge("etcd_server_proposals_pending", "The current number of pending proposals to commit.", func() float64 {
			return float64(m.replica.Pending())
		}),
		gauge("etcd_server_quota_backend_bytes", "What the state on disk may grow to in bytes: the quota, and without one its size and what is free of the disk above the hard mark.", m.space.bound),
		gauge("etcd_server_is_learner", "Whether or not this member is a learner. 1 if is, 0 otherwise.", func() float64 {
			return flag(m.members.Find(m.cfg.MemberID).GetIsLearner())
		}),
		gauge("quorate_state_corrupt", "Whether or not this member refuses requests because its state is not that of the cluster. 1 if it does, 0 otherwise.", func() float64 {
			return flag(m.trust.Check() != nil)
		}),
		gauge("quorate_state_agreed_index", "The newest log index at which a majority was found to have the state of this member.", func() float64 {
			return float64(m.audit.Agreed())
		}),
		gauge("quorate_feed_oldest_revision", "The oldest revision that the commit feed holds in memory.", func() float64 {
			return float64(m.feed.Oldest())
		}),
	} {
		if err := registerer.Register(c); err != nil {
			return fmt.Errorf("register a metric: %w", err)
		}
	}
	for _, c := range append(m.metrics.collectors(), quotaMetrics{m.gate}, memberMetrics{m}) {
		if err := registerer.Register(c); err != nil {
			return fmt.Errorf("register a metric: %w", err)
		}
	}
	return registerVolumes(m, registerer)
}

func registerVolumes(m *Member, registerer prometheus.Registerer) error {
	for _, v := range m.space.volumes {
		for _, one := range []struct {
			name, help string
			value      *atomic.Int64
		}{
			{"quorate_disk_free_bytes", "Bytes that are free on the disk of the log or the state, negative while that is not known.", &v.free},
			{"quorate_disk_above_hard_mark_bytes", "Those of quorate_disk_free_bytes that are above the hard mark: at 0 writes that need space are refused.", &v.above},
		} {
			err := registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: one.name, Help: one.help, ConstLabels: prometheus.Labels{"of": v.name}},
				func() float64 { return float64(one.value.Load()) }))
			if err != nil {
				return fmt.Errorf("register a metric: %w", err)
			}
		}
	}
	return nil
}
