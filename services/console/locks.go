package console

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/v1/quoratev1connect"
	"github.com/quoratedb/quorate/pkg/keyrange"
)

const (
	locksDefault, locksMax = 50, 200
	// turnsMax bounds the turns of a lock that are shown, turnsTold those of which is told since when and how long.
	turnsMax, turnsTold = 100, 10
	// turnValueMax is how much of the value of a turn's key is shown.
	turnValueMax = 256
	// lockLeasesMax bounds the leases through which is looked for locks.
	lockLeasesMax = 20_000
	// leaseDigitsMin is how many digits the number of a lease that the store has chosen has at least, but for one of thousands.
	leaseDigitsMin = 13
)

// turnName returns the name whose lock or election a key is a turn of: what is before a slash and the key's own lease.
func turnName(key []byte, lease int64) (name []byte, ok bool) {
	if lease == 0 {
		return nil, false
	}
	return bytes.CutSuffix(key, strconv.AppendUint([]byte{'/'}, uint64(lease), 16))
}

// likeTurn returns the name of which a key would be a turn if its lease is the right one: keys that are read without values tell no lease.
func likeTurn(key []byte) (name []byte, ok bool) {
	at := bytes.LastIndexByte(key, '/')
	if at <= 0 {
		return nil, false
	}
	lease, err := strconv.ParseUint(string(key[at+1:]), 16, 64)
	if err != nil || !bytes.Equal(strconv.AppendUint(nil, lease, 16), key[at+1:]) {
		return nil, false
	}
	return key[:at], lease != 0
}

// likeTurnLeft returns the name of which a key would be a turn if it had no lease any more, as one that was put back has none: its last
// part is as long as the numbers are that the store chooses for leases.
func likeTurnLeft(key []byte) (name []byte, ok bool) {
	name, ok = likeTurn(key)
	return name, ok && len(key)-len(name) > leaseDigitsMin
}

// takes tells whether a key is a turn of a name: the one of its lease, or what is left of one when it has neither lease nor value.
func takes(kv *mvccpb.KeyValue, name []byte) bool {
	own, ok := turnName(kv.GetKey(), kv.GetLease())
	if kv.GetLease() == 0 && len(kv.GetValue()) == 0 {
		own, ok = likeTurnLeft(kv.GetKey())
	}
	return ok && bytes.Equal(own, name)
}

// line returns those of the keys below a name, the oldest first, that are in its line: up to the last turn. Clients wait for every key below
// the name that is older than theirs, whatever it is called and whether or not it has a lease.
func line(kvs []*mvccpb.KeyValue, name []byte) []*mvccpb.KeyValue {
	for len(kvs) > 0 && !takes(kvs[len(kvs)-1], name) {
		kvs = kvs[:len(kvs)-1]
	}
	return kvs
}

// Locks lists locks and elections.
func (c *Console) Locks(ctx context.Context, r *consolev1.LocksRequest) (*consolev1.LocksResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, listMax)
	defer cancel()
	answer := &consolev1.LocksResponse{}
	most := int(within(r.GetLimit(), locksDefault, locksMax))
	names, more, err := c.lockNames(ctx, r, most, &answer.Revision)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		lock, revision, err := c.lock(ctx, name)
		if err != nil {
			return nil, err
		}
		answer.Revision = max(answer.Revision, revision)
		if lock != nil {
			answer.Locks = append(answer.Locks, lock)
		}
	}
	if answer.More = more != nil; answer.More {
		answer.NextAfter = more
	}
	return answer, nil
}

// lockNames returns names of locks in order, and where to go on; nil where there are no more.
func (c *Console) lockNames(ctx context.Context, r *consolev1.LocksRequest, most int, revision *int64) (names [][]byte, more []byte, err error) {
	if len(r.GetPrefix()) == 0 {
		return c.lockNamesOfLeases(ctx, r.GetAfter(), most)
	}
	looked, last, until := 0, []byte(nil), time.Now().Add(lookMax)
	unfinished, err := c.scan(ctx, r.GetPrefix(), r.GetAfter(), revision, func(found *etcdserverpb.RangeResponse) bool {
		for _, kv := range found.GetKvs() {
			looked++
			name, ok := likeTurn(kv.GetKey())
			if ok && (len(names) == 0 || !bytes.Equal(names[len(names)-1], name)) && !isTurnOf(r.GetAfter(), name) {
				if len(names) == most {
					return false
				}
				names = append(names, name)
			}
			last = kv.GetKey()
		}
		return looked < lookedMax && time.Now().Before(until)
	})
	if err != nil || !unfinished {
		return names, nil, err
	}
	return names, last, nil
}

// isTurnOf tells whether a key lies directly below a name, as its turns do: then it was on the page before.
func isTurnOf(key, name []byte) bool {
	rest, ok := bytes.CutPrefix(key, append(bytes.Clone(name), '/'))
	return ok && !bytes.ContainsRune(rest, '/')
}

// lockNamesOfLeases finds names by the keys of leases, and among the first keys of the store those of turns that have lost theirs.
func (c *Console) lockNamesOfLeases(ctx context.Context, after []byte, most int) (names [][]byte, more []byte, err error) {
	ids, err := c.leaseIDs(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(ids) > lockLeasesMax {
		return nil, nil, status.Errorf(codes.ResourceExhausted, "quorate: there are %d leases, through more than %d is not looked: name a prefix", len(ids), lockLeasesMax)
	}
	for _, id := range ids {
		found, err := c.leases.LeaseTimeToLive(ctx, &etcdserverpb.LeaseTimeToLiveRequest{ID: id, Keys: true})
		if err != nil {
			return nil, nil, err
		}
		for _, key := range found.GetKeys() {
			if name, ok := turnName(key, id); ok && bytes.Compare(name, after) > 0 {
				names = append(names, name)
			}
		}
	}
	looked, until, revision := 0, time.Now().Add(lookMax), int64(0)
	_, err = c.scan(ctx, nil, nil, &revision, func(found *etcdserverpb.RangeResponse) bool {
		for _, kv := range found.GetKvs() {
			if name, ok := likeTurnLeft(kv.GetKey()); ok && bytes.Compare(name, after) > 0 {
				names = append(names, name)
			}
		}
		looked += len(found.GetKvs())
		return looked < lookedMax && time.Now().Before(until)
	})
	if err != nil && status.Code(err) != codes.PermissionDenied { // who may read the leases need not read all keys
		return nil, nil, err
	}
	slices.SortFunc(names, bytes.Compare)
	names = slices.CompactFunc(names, bytes.Equal)
	if len(names) > most {
		return names[:most], names[most-1], nil
	}
	return names, nil, nil
}

// lock tells who holds a lock and who waits; nil where there is nobody any more.
func (c *Console) lock(ctx context.Context, name []byte) (*consolev1.Lock, int64, error) {
	key, end := keyrange.Prefix(append(bytes.Clone(name), '/'))
	found, err := c.kv.Range(ctx, &etcdserverpb.RangeRequest{
		Key: key, RangeEnd: end, Limit: turnsMax, SortTarget: etcdserverpb.RangeRequest_CREATE, SortOrder: etcdserverpb.RangeRequest_ASCEND,
	})
	if err != nil {
		return nil, 0, err
	}
	lock := &consolev1.Lock{Name: name, TurnsTotal: max(0, found.GetCount()-int64(len(found.GetKvs())))}
	for _, kv := range line(found.GetKvs(), name) {
		turn := &consolev1.Turn{Key: kv.GetKey(), Lease: kv.GetLease(), CreateRevision: kv.GetCreateRevision(), Value: kv.GetValue()[:min(len(kv.GetValue()), turnValueMax)]}
		if len(lock.Turns) < turnsTold {
			if err := c.tellMore(ctx, turn, kv); err != nil {
				return nil, 0, err
			}
		}
		lock.Election = lock.Election || len(kv.GetValue()) > 0
		lock.Turns = append(lock.Turns, turn)
	}
	if len(lock.Turns) == 0 {
		return nil, 0, nil
	}
	lock.TurnsTotal += int64(len(lock.Turns))
	return lock, found.GetHeader().GetRevision(), nil
}

// tellMore tells since when a turn is there, and how long its lease has.
func (c *Console) tellMore(ctx context.Context, turn *consolev1.Turn, kv *mvccpb.KeyValue) error {
	if turn.GetLease() != 0 {
		lives, err := c.leases.LeaseTimeToLive(ctx, &etcdserverpb.LeaseTimeToLiveRequest{ID: turn.GetLease()})
		if err != nil {
			return err
		}
		turn.Ttl = lives.GetTTL()
	}
	history := &quoratev1.HistoryResponse{}
	asked := &quoratev1.HistoryRequest{Key: kv.GetKey(), Before: kv.GetCreateRevision() + 1, Limit: 1}
	if err := c.cfg.Conn.Invoke(ctx, quoratev1connect.InspectServiceHistoryProcedure, asked, history); err != nil {
		if status.Code(err) == codes.Unimplemented {
			return nil // the store behind this server keeps no times
		}
		return err
	}
	if versions := history.GetVersions(); len(versions) > 0 && versions[0].GetRevision() == kv.GetCreateRevision() {
		turn.SinceUnixNano = versions[0].GetTimeUnixNano()
	}
	return nil
}
