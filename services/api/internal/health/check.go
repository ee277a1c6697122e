package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
)

// checkTimeout bounds one check: a probe gets an answer also when the cluster gives none. It is as long as a request may
// take in etcd.
const checkTimeout = 7 * time.Second

// probeTimeout bounds a whole probe where the store is elsewhere: those who probe wait for a second by default.
const probeTimeout = 900 * time.Millisecond

// Store is what is asked how it is.
type Store interface {
	Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error)
	Alarms(context.Context, *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error)
	Range(context.Context, *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error)
}

// check fails with the reason why something is not well.
type check struct {
	name string
	run  func(context.Context) error
}

// checks are bound to a store.
type checks struct {
	store  *later
	logger *slog.Logger
	// elsewhere says that the store is no part of this process.
	elsewhere bool
}

// live are the checks of /livez: would a restart help? What is wrong with a store that is elsewhere it would not mend.
func (c checks) live() []check {
	if c.elsewhere {
		return nil
	}
	return []check{{"serializable_read", c.read(true)}}
}

// bounded is the time of a whole probe.
func (c checks) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.elsewhere {
		return context.WithTimeout(ctx, probeTimeout)
	}
	return ctx, func() {}
}

// ready are the checks of /readyz: should clients be sent here?
func (c checks) ready() []check {
	return []check{
		{"data_corruption", c.uncorrupted},
		{"serializable_read", c.read(true)},
		{"linearizable_read", c.read(false)},
		{"non_learner", c.voter},
	}
}

// alarmNames are etcd's, which clients and query parameters use.
var alarmNames = map[consensusv1.Alarm_Type]string{
	consensusv1.Alarm_TYPE_NOSPACE: "NOSPACE",
	consensusv1.Alarm_TYPE_CORRUPT: "CORRUPT",
}

// asking is for whom the checks read: the store itself, whatever users there are. No request can say so.
var asking = &consensusv1.Caller{Internal: true}

// read reads one key.
func (c checks) read(serializable bool) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		if serializable && !c.store.opened() {
			return nil // a restart would not help
		}
		_, err := c.store.Range(ctx, &consensusv1.RangeRequest{
			Range:        &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}, Limit: 1, KeysOnly: true},
			Serializable: serializable,
			Caller:       asking,
		})
		return c.inClientsWords(err)
	}
}

func (c checks) uncorrupted(ctx context.Context) error {
	raised, err := c.store.Alarms(ctx, &consensusv1.AlarmsRequest{})
	if err != nil {
		return c.inClientsWords(err)
	}
	state, err := c.store.Status(ctx, &consensusv1.StatusRequest{})
	if err != nil {
		return c.inClientsWords(err)
	}
	for _, alarm := range raised.GetAlarms() {
		if alarm.GetType() == consensusv1.Alarm_TYPE_CORRUPT && concerns(alarm, state) {
			return errors.New("alarm activated: CORRUPT")
		}
	}
	return nil
}

// concerns tells whether an alarm keeps a member from serving. That another member's state is corrupt does not.
func concerns(alarm *consensusv1.Alarm, state *consensusv1.StatusResponse) bool {
	return alarm.GetType() != consensusv1.Alarm_TYPE_CORRUPT || alarm.GetMemberId() == 0 || alarm.GetMemberId() == state.GetMemberId()
}

func (c checks) voter(ctx context.Context) error {
	state, err := c.store.Status(ctx, &consensusv1.StatusRequest{})
	if err == nil && state.GetIsLearner() {
		return errors.New("not supported for learner")
	}
	return c.inClientsWords(err)
}

// overall is what /health says: empty if all is well. Alarms that are named in excluded do not count.
func (c checks) overall(ctx context.Context, excluded map[string]bool, serializable bool) (reason string) {
	raised, err := c.store.Alarms(ctx, &consensusv1.AlarmsRequest{})
	if err != nil {
		return fmt.Sprintf("RANGE ERROR:%s", c.inClientsWords(err))
	}
	state, err := c.store.Status(ctx, &consensusv1.StatusRequest{})
	if err != nil {
		return fmt.Sprintf("RANGE ERROR:%s", c.inClientsWords(err))
	}
	for _, alarm := range raised.GetAlarms() {
		if !concerns(alarm, state) {
			continue
		}
		name, known := alarmNames[alarm.GetType()]
		if !known {
			name = "UNKNOWN"
		}
		if !excluded[name] {
			return "ALARM " + name
		}
	}
	if !serializable && state.GetLeaderId() == 0 {
		return "RAFT NO LEADER"
	}
	if err := c.read(serializable)(ctx); err != nil {
		return fmt.Sprintf("RANGE ERROR:%s", err)
	}
	return ""
}

// inClientsWords gives a refusal the text that clients know.
func (c checks) inClientsWords(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(status.Convert(etcderr.From(c.logger, err)).Message())
}

// report runs checks and describes each in a line.
func report(ctx context.Context, of []check, seen func(name string, ok bool)) (lines string, ok bool) {
	var b strings.Builder
	ok = true
	for _, check := range of {
		err := check.run(ctx)
		seen(check.name, err == nil)
		if err != nil {
			ok = false
			fmt.Fprintf(&b, "[-]%s failed: %v\n", check.name, err)
			continue
		}
		fmt.Fprintf(&b, "[+]%s ok\n", check.name)
	}
	return b.String(), ok
}
