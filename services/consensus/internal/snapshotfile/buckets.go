package snapshotfile

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

const (
	bucketKey            = "key"
	bucketMeta           = "meta"
	bucketLease          = "lease"
	bucketAlarm          = "alarm"
	bucketCluster        = "cluster"
	bucketMembers        = "members"
	bucketMembersRemoved = "members_removed"
	bucketAuth           = "auth"
	bucketAuthUsers      = "authUsers"
	bucketAuthRoles      = "authRoles"

	keyConsistentIndex  = "consistent_index"
	keyTerm             = "term"
	keyConfState        = "confState"
	keyFinishedCompact  = "finishedCompactRev"
	keyScheduledCompact = "scheduledCompactRev"
	keyStorageVersion   = "storageVersion"
	keyClusterVersion   = "clusterVersion"
	keyAuthEnabled      = "authEnabled"
	keyAuthRevision     = "authRevision"
)

// buckets are all that a reader may look for, filled or not.
var buckets = []string{
	bucketKey, bucketMeta, bucketLease, bucketAlarm, bucketCluster, bucketMembers, bucketMembersRemoved,
	bucketAuth, bucketAuthUsers, bucketAuthRoles,
}

// appendRevision encodes a place in history: (258, 1) = "\0\0\0\0\0\0\1\2_\0\0\0\0\0\0\0\1".
func appendRevision(dst []byte, revision, sub int64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(revision))
	dst = append(dst, '_')
	return binary.BigEndian.AppendUint64(dst, uint64(sub))
}

// versionKey is the version's key in the key bucket.
func versionKey(dst []byte, v Version) []byte {
	dst = appendRevision(dst, v.KV.GetModRevision(), v.Sub)
	if v.Tombstone {
		dst = append(dst, 't')
	}
	return dst
}

// versionValue is what the key bucket holds of the version: of a tombstone the key alone.
func versionValue(dst []byte, v Version) ([]byte, error) {
	kv := v.KV
	if v.Tombstone {
		kv = &mvccpb.KeyValue{Key: kv.GetKey()}
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, kv)
}

// putFixed fills the buckets that do not grow with the data.
func putFixed(tx *bbolt.Tx, st *State) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	p := putter{tx: tx}
	p.meta(st)
	for _, m := range st.Members {
		p.member(m)
	}
	for _, id := range st.RemovedMembers {
		p.put(bucketMembersRemoved, memberKey(id), []byte("removed"))
	}
	for _, alarm := range st.Alarms {
		key, err := proto.Marshal(alarm) // the field numbers of AlarmMember
		p.err = firstError(p.err, err)
		p.put(bucketAlarm, string(key), nil)
	}
	p.auth(st)
	return p.err
}

// putter keeps the first error, so that a run of puts reads as one.
type putter struct {
	tx  *bbolt.Tx
	err error
}

func (p *putter) put(bucket, key string, value []byte) {
	if p.err == nil {
		p.err = p.tx.Bucket([]byte(bucket)).Put([]byte(key), value)
	}
}

func (p *putter) putNumber(key string, n uint64) {
	p.put(bucketMeta, key, binary.BigEndian.AppendUint64(nil, n))
}

func (p *putter) meta(st *State) {
	p.putNumber(keyConsistentIndex, st.AppliedIndex)
	p.putNumber(keyTerm, st.AppliedTerm)
	if !st.AnyEtcd {
		p.put(bucketMeta, keyStorageVersion, []byte(StorageVersion))
	}
	if st.CompactedRevision > 0 {
		p.put(bucketMeta, keyFinishedCompact, appendRevision(nil, st.CompactedRevision, 0))
		p.put(bucketMeta, keyScheduledCompact, appendRevision(nil, st.CompactedRevision, 0))
	}
	if st.ConfState != nil {
		value, err := json.Marshal(st.ConfState)
		p.err = firstError(p.err, err)
		p.put(bucketMeta, keyConfState, value)
	}
	if st.ClusterVersion != "" {
		p.put(bucketCluster, keyClusterVersion, []byte(st.ClusterVersion))
	}
}

// auth writes users and roles as etcd stores them. Tokens are not among them: who has one logs in again.
func (p *putter) auth(st *State) {
	if st.Auth == nil {
		return
	}
	enabled := byte(0)
	if st.Auth.GetEnabled() {
		enabled = 1
	}
	p.put(bucketAuth, keyAuthEnabled, []byte{enabled})
	p.put(bucketAuth, keyAuthRevision, binary.BigEndian.AppendUint64(nil, st.Auth.GetRevision()))
	for _, user := range st.Users {
		p.message(bucketAuthUsers, user.GetName(), &authpb.User{
			Name: []byte(user.GetName()), Password: user.GetPasswordHash(), Roles: user.GetRoles(), Options: &authpb.UserAddOptions{NoPassword: user.GetNoPassword()},
		})
	}
	for _, role := range st.Roles {
		stored := &authpb.Role{Name: []byte(role.GetName())}
		for _, granted := range role.GetPermissions() {
			stored.KeyPermission = append(stored.KeyPermission, &authpb.Permission{
				PermType: authpb.Permission_Type(granted.GetType()), Key: granted.GetKey(), RangeEnd: granted.GetRangeEnd(),
			})
		}
		p.message(bucketAuthRoles, role.GetName(), stored)
	}
}

func (p *putter) message(bucket, key string, m proto.Message) {
	value, err := proto.Marshal(m)
	p.err = firstError(p.err, err)
	p.put(bucket, key, value)
}

// memberJSON has the field names that etcd's readers expect.
type memberJSON struct {
	ID         uint64   `json:"id"`
	PeerURLs   []string `json:"peerURLs"`
	IsLearner  bool     `json:"isLearner,omitempty"`
	Name       string   `json:"name,omitempty"`
	ClientURLs []string `json:"clientURLs,omitempty"`
}

func (p *putter) member(m *consensusv1.Member) {
	value, err := json.Marshal(memberJSON{
		ID: m.GetId(), PeerURLs: m.GetPeerUrls(), IsLearner: m.GetIsLearner(), Name: m.GetName(), ClientURLs: m.GetClientUrls(),
	})
	p.err = firstError(p.err, err)
	p.put(bucketMembers, memberKey(m.GetId()), value)
}

func memberKey(id uint64) string { return strconv.FormatUint(id, 16) }

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// leaseRecord returns the lease's key and value in the lease bucket; our Lease has leasepb's field numbers.
func leaseRecord(l *consensusv1.Lease) (key, value []byte, err error) {
	if value, err = proto.Marshal(l); err != nil {
		return nil, nil, fmt.Errorf("lease %x: %w", l.GetId(), err)
	}
	return binary.BigEndian.AppendUint64(nil, uint64(l.GetId())), value, nil
}

// sortedLeases gathers the leases in the order of their keys. They are few and small beside the data.
func sortedLeases(st *State) ([]*consensusv1.Lease, error) {
	var leases []*consensusv1.Lease
	if st.Leases == nil {
		return nil, nil
	}
	for l, err := range st.Leases {
		if err != nil {
			return nil, fmt.Errorf("read leases: %w", err)
		}
		leases = append(leases, l)
	}
	slices.SortFunc(leases, func(a, b *consensusv1.Lease) int {
		return cmp.Compare(uint64(a.GetId()), uint64(b.GetId()))
	})
	return leases, nil
}
