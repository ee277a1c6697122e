package output

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Health is how an endpoint answered.
type Health struct {
	Endpoint string `json:"endpoint"`
	Healthy  bool   `json:"health"`
	Took     string `json:"took"`
	Error    string `json:"error,omitempty"` // why it is not healthy
}

// Healths shows which endpoints serve. In the format simple those that do not go to the standard error, which is the caller's to
// write: this shows the others.
func Healths(all []Health) Answer {
	return Answer{
		JSON: all,
		Simple: func(t *Text) {
			for _, h := range all {
				if h.Error == "" {
					t.Linef("%s is healthy: successfully committed proposal: took = %v", h.Endpoint, h.Took)
				}
			}
		},
		Fields: func(t *Text) {
			for _, h := range all {
				t.quoted("Endpoint", h.Endpoint)
				t.field("Health", h.Healthy)
				t.field("Took", h.Took)
				t.field("Error", h.Error)
				t.Linef("")
			}
		},
		Table: func() Rows {
			rows := Rows{Header: []string{"endpoint", "health", "took", "error"}}
			for _, h := range all {
				rows.Rows = append(rows.Rows, []string{h.Endpoint, strconv.FormatBool(h.Healthy), h.Took, h.Error})
			}
			return rows
		},
	}
}

// Status is what the member behind an endpoint says of itself.
type Status struct {
	Endpoint string                   `json:"Endpoint"`
	Status   *clientv3.StatusResponse `json:"Status"`
}

// Statuses shows what members say of themselves.
func Statuses(all []Status) Answer {
	table := func() Rows { return statusRows(all) }
	return Answer{
		JSON: all, Table: table, Simple: lines(table),
		Fields: func(t *Text) {
			for _, s := range all {
				t.status(s)
			}
		},
	}
}

func (t *Text) status(s Status) {
	r := (*etcdserverpb.StatusResponse)(s.Status)
	t.header(r.GetHeader())
	t.quoted("Version", r.GetVersion())
	t.quoted("StorageVersion", r.GetStorageVersion())
	t.field("DBSize", r.GetDbSize())
	t.field("DBSizeInUse", r.GetDbSizeInUse())
	t.field("DBSizeQuota", r.GetDbSizeQuota())
	t.field("Leader", r.GetLeader())
	t.field("IsLearner", r.GetIsLearner())
	t.field("RaftIndex", r.GetRaftIndex())
	t.field("RaftTerm", r.GetRaftTerm())
	t.field("RaftAppliedIndex", r.GetRaftAppliedIndex())
	t.field("Errors", r.GetErrors())
	t.quoted("Endpoint", s.Endpoint)
	t.quoted("DowngradeTargetVersion", r.GetDowngradeInfo().GetTargetVersion())
	t.field("DowngradeEnabled", r.GetDowngradeInfo().GetEnabled())
	t.Linef("")
}

func statusRows(all []Status) Rows {
	rows := Rows{Header: []string{
		"endpoint", "ID", "version", "storage version", "db size", "in use", "percentage not in use", "quota", "is leader", "is learner",
		"raft term", "raft index", "raft applied index", "errors", "downgrade target version", "downgrade enabled",
	}}
	for _, s := range all {
		r := (*etcdserverpb.StatusResponse)(s.Status)
		member := r.GetHeader().GetMemberId()
		rows.Rows = append(rows.Rows, []string{
			s.Endpoint,
			types.ID(member).String(),
			r.GetVersion(),
			r.GetStorageVersion(),
			humanBytes(r.GetDbSize()),
			humanBytes(r.GetDbSizeInUse()),
			fmt.Sprintf("%d%%", unused(r.GetDbSize(), r.GetDbSizeInUse())),
			humanBytes(r.GetDbSizeQuota()),
			strconv.FormatBool(r.GetLeader() == member),
			strconv.FormatBool(r.GetIsLearner()),
			strconv.FormatUint(r.GetRaftTerm(), 10),
			strconv.FormatUint(r.GetRaftIndex(), 10),
			strconv.FormatUint(r.GetRaftAppliedIndex(), 10),
			strings.Join(r.GetErrors(), ", "),
			r.GetDowngradeInfo().GetTargetVersion(),
			strconv.FormatBool(r.GetDowngradeInfo().GetEnabled()),
		})
	}
	return rows
}

func humanBytes(n int64) string { return humanize.Bytes(uint64(n)) }

// unused is the part of a size that is not in use, in percent; of nothing, none is unused.
func unused(size, inUse int64) int64 {
	if size == 0 {
		return 0
	}
	return 100 - inUse*100/size
}

// Hash is the hash of the keys and their history that a member has.
type Hash struct {
	Endpoint string                   `json:"Endpoint"`
	HashKV   *clientv3.HashKVResponse `json:"HashKV"`
}

// Hashes shows the hashes of members.
func Hashes(all []Hash) Answer {
	table := func() Rows {
		rows := Rows{Header: []string{"endpoint", "hash", "hash_revision"}}
		for _, h := range all {
			r := (*etcdserverpb.HashKVResponse)(h.HashKV)
			rows.Rows = append(rows.Rows, []string{h.Endpoint, fmt.Sprint(r.GetHash()), fmt.Sprint(r.GetHashRevision())})
		}
		return rows
	}
	return Answer{
		JSON: all, Table: table, Simple: lines(table),
		Fields: func(t *Text) {
			for _, h := range all {
				r := (*etcdserverpb.HashKVResponse)(h.HashKV)
				t.header(r.GetHeader())
				t.quoted("Endpoint", h.Endpoint)
				t.field("Hash", r.GetHash())
				t.field("HashRevision", r.GetHashRevision())
				t.Linef("")
			}
		},
	}
}
