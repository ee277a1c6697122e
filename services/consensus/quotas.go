package consensus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/prefixquota"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

const (
	// quotasInterval is how often the leader looks for quotas that pass a soft limit, and tries again what could not be counted.
	quotasInterval = time.Second
	// awaitCountedMax is how long somebody may wait until a quota is counted.
	awaitCountedMax = 3 * time.Second
	// sumTimeout bounds how long a sum that was proposed is waited for. It is counted anew then.
	sumTimeout = 5 * time.Second
)

// Quotas is the member's side of quotas by prefix. Its methods may be called concurrently.
type Quotas struct {
	callers *callers
	replica *replication.Replica
	stopped <-chan struct{}
}

// ReadQuotas reads the quotas and what is in use of them. Errors are those of Authorize, for the role of root.
func (q *Quotas) ReadQuotas(ctx context.Context, req *consensusv1.ReadQuotasRequest) (*consensusv1.ReadQuotasResponse, error) {
	resp := &consensusv1.ReadQuotasResponse{RaftTerm: q.replica.Term()}
	var state *prefixquota.State
	err := q.callers.reader.read(ctx, false, func(t *gate.Tenure) (err error) {
		if err = q.callers.mayReadQuotas(req.GetCaller()); err != nil {
			return err
		}
		resp.Revision = t.Store.Revision()
		state, err = t.Machine.Quotas()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read quotas: %w", err)
	}
	if req.GetAwaitCounted() {
		if state, err = q.awaitCounted(ctx, state, req.GetPrefix()); err != nil {
			return nil, fmt.Errorf("read quotas: %w", err)
		}
	}
	for _, standing := range state.All() {
		resp.Quotas = append(resp.Quotas, standing.QuotaStatus)
	}
	return resp, nil
}

func (c *callers) mayReadQuotas(caller *consensusv1.Caller) error {
	state, err := c.state()
	if err != nil {
		return err
	}
	resolved, err := state.Resolve(caller, c.tokens.Verify)
	if err != nil {
		return err
	}
	return state.CheckRoot(resolved)
}

// awaitCounted waits until the quota of a prefix is counted or gone, some time at most, and returns the state then.
func (q *Quotas) awaitCounted(ctx context.Context, state *prefixquota.State, prefix []byte) (*prefixquota.State, error) {
	enough := time.NewTimer(awaitCountedMax)
	defer enough.Stop()
	for state.IsCounting(prefix) {
		select {
		case <-state.Replaced():
		case <-enough.C:
			return state, nil
		case <-q.stopped:
			return nil, errdefs.ErrStopped
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		var err error
		if state, err = q.callers.gate.Machine().Quotas(); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// quotaKeeper counts what quotas need counted, and says in the log which pass a soft limit, while this member leads.
type quotaKeeper struct {
	gate     *gate.Gate
	replica  *replication.Replica
	proposer *proposer
	// pace holds the reading of a state of a size back.
	pace  func(size int64) func(ctx context.Context, read int) error
	ticks replication.Ticks
	log   *slog.Logger
	// warned are the quotas that the log has told of.
	warned map[string]bool
}

// run goes on until ctx ends. What fails is tried again with the next tick.
func (k *quotaKeeper) run(ctx context.Context) error {
	ticks, stop := k.ticks(quotasInterval)
	defer stop()
	for {
		state, err := k.gate.Machine().Quotas()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		case <-state.Replaced():
		}
		if state, err = k.gate.Machine().Quotas(); err != nil {
			return err
		}
		if !k.replica.Leads() {
			clear(k.warned)
			continue
		}
		for _, quota := range state.Counting() {
			if err := k.count(ctx, quota); err != nil && ctx.Err() == nil {
				k.log.Warn("could not count what a quota has in use; it refuses nothing until it is counted, and is counted again",
					"prefix", quotaLabel(quota.GetPrefix()), "error", err)
				break
			}
		}
		k.warn(state)
	}
}

// count counts what a quota has in use and has the sum replicated. It gives up when this member does not lead any more.
func (k *quotaKeeper) count(ctx context.Context, quota *consensusv1.PrefixQuota) error {
	var before prefixquota.Use
	err := k.gate.LastingUse(ctx, func(ctx context.Context, state *mvcc.Store) error {
		size, _ := state.Size()
		wait := k.pace(size)
		keys, bytes, record, err := mvcc.SumPrefix(ctx, state, quota.GetPrefix(), prefixquota.UseRecord(quota.GetPrefix()),
			func(ctx context.Context, read int) error {
				if !k.replica.Leads() {
					return errdefs.ErrNotLeader
				}
				return wait(ctx, read)
			})
		if err != nil {
			return errors.Join(err, ctx.Err())
		}
		if record == nil {
			return errdefs.ErrQuotaNotFound
		}
		before, err = prefixquota.Before(prefixquota.Use{Keys: keys, Bytes: bytes}, record)
		return err
	})
	if errors.Is(err, errdefs.ErrQuotaNotFound) {
		return nil // deleted by now
	}
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, sumTimeout)
	defer cancel()
	_, err = k.proposer.internal(bounded, &consensusv1.Command{Command: &consensusv1.Command_Quota{Quota: &consensusv1.QuotaOp{
		Op: &consensusv1.QuotaOp_Sum{Sum: &consensusv1.QuotaSumOp{
			Prefix: quota.GetPrefix(), Revision: quota.GetRevision(), Use: &consensusv1.QuotaUse{Keys: before.Keys, Bytes: before.Bytes},
		}},
	}}})
	return err
}

// warn says once of each quota that it passes a soft limit, and again after it did not for a while.
func (k *quotaKeeper) warn(state *prefixquota.State) {
	for _, q := range state.All() {
		prefix := string(q.GetQuota().GetPrefix())
		if q.GetSoftExceeded() && !k.warned[prefix] {
			limits := q.GetQuota().GetLimits()
			k.log.Warn("more is in use below a prefix than the soft limits of its quota", "prefix", quotaLabel(q.GetQuota().GetPrefix()),
				"keys", q.GetUse().GetKeys(), "soft-keys", limits.GetSoftKeys(), "bytes", q.GetUse().GetBytes(), "soft-bytes", limits.GetSoftBytes())
		}
		if q.GetSoftExceeded() {
			k.warned[prefix] = true
		} else {
			delete(k.warned, prefix)
		}
	}
}

// quotaLabel is a prefix as text, one for each.
func quotaLabel(prefix []byte) string {
	if utf8.Valid(prefix) && !bytes.HasPrefix(prefix, []byte{'"'}) {
		return string(prefix)
	}
	return strconv.Quote(string(prefix)) // which begins as no other text does
}

var (
	quotaUseDesc = prometheus.NewDesc("quorate_prefix_quota_use",
		"What is in use below a prefix that has a quota, in keys or bytes. Not told while it is counted.", []string{"prefix", "unit"}, nil)
	quotaLimitDesc = prometheus.NewDesc("quorate_prefix_quota_limit",
		"The limits of a prefix, in keys or bytes.", []string{"prefix", "unit", "limit"}, nil)
	quotaRefusedDesc = prometheus.NewDesc("quorate_prefix_quota_refused_total",
		"Commands that this member has seen refused for a prefix's quota since it was opened.", []string{"prefix"}, nil)
)

// quotaMetrics are read when they are scraped.
type quotaMetrics struct{ gate *gate.Gate }

var _ prometheus.Collector = quotaMetrics{}

// Describe implements prometheus.Collector.
func (quotaMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- quotaUseDesc
	ch <- quotaLimitDesc
	ch <- quotaRefusedDesc
}

// Collect implements prometheus.Collector.
func (m quotaMetrics) Collect(ch chan<- prometheus.Metric) {
	state, err := m.gate.Machine().Quotas()
	if err != nil {
		return
	}
	for _, q := range state.All() {
		prefix := quotaLabel(q.GetQuota().GetPrefix())
		if use := q.GetUse(); use != nil {
			ch <- prometheus.MustNewConstMetric(quotaUseDesc, prometheus.GaugeValue, float64(use.GetKeys()), prefix, "keys")
			ch <- prometheus.MustNewConstMetric(quotaUseDesc, prometheus.GaugeValue, float64(use.GetBytes()), prefix, "bytes")
		}
		limits := q.GetQuota().GetLimits()
		for _, l := range []struct {
			of          int64
			unit, limit string
		}{
			{limits.GetSoftKeys(), "keys", "soft"},
			{limits.GetSoftBytes(), "bytes", "soft"},
			{limits.GetHardKeys(), "keys", "hard"},
			{limits.GetHardBytes(), "bytes", "hard"},
		} {
			if l.of > 0 {
				ch <- prometheus.MustNewConstMetric(quotaLimitDesc, prometheus.GaugeValue, float64(l.of), prefix, l.unit, l.limit)
			}
		}
		ch <- prometheus.MustNewConstMetric(quotaRefusedDesc, prometheus.CounterValue, float64(q.Refused), prefix)
	}
}
