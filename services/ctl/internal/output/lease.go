package output

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Of an answer about a lease, the format protobuf has the header alone, as etcdctl's has.

// Granted shows a lease that was granted.
func Granted(r *clientv3.LeaseGrantResponse) Answer {
	return Answer{
		JSON: r, Message: r.ResponseHeader,
		Simple: func(t *Text) { t.Linef("lease %016x granted with TTL(%ds)", r.ID, r.TTL) },
		Fields: func(t *Text) {
			t.header(r.ResponseHeader)
			t.leaseField("ID", int64(r.ID))
			t.field("TTL", r.TTL)
		},
	}
}

// Revoked shows that a lease is no more.
func Revoked(id clientv3.LeaseID, r *clientv3.LeaseRevokeResponse) Answer {
	return Answer{
		JSON:   r,
		Simple: func(t *Text) { t.Linef("lease %016x revoked", id) },
		Fields: headerOnly((*etcdserverpb.LeaseRevokeResponse)(r).GetHeader()),
	}
}

// KeptAlive shows that a lease lives on.
func KeptAlive(r *clientv3.LeaseKeepAliveResponse) Answer {
	return Answer{
		JSON: r, Message: r.ResponseHeader,
		Simple: func(t *Text) { t.Linef("lease %016x keepalived with TTL(%d)", r.ID, r.TTL) },
		Fields: func(t *Text) {
			t.header(r.ResponseHeader)
			t.leaseField("ID", int64(r.ID))
			t.field("TTL", r.TTL)
		},
	}
}

// TimeToLive shows how long a lease lives on, and with keys which keys it has.
func TimeToLive(r *clientv3.LeaseTimeToLiveResponse, keys bool) Answer {
	return Answer{
		JSON: r, Message: r.ResponseHeader,
		Simple: func(t *Text) {
			if r.GrantedTTL == 0 && r.TTL == -1 {
				t.Linef("lease %016x already expired", r.ID)
				return
			}
			t.Printf("lease %016x granted with TTL(%ds), remaining(%ds)", r.ID, r.GrantedTTL, r.TTL)
			if keys {
				t.Printf(", attached keys(%s)", r.Keys)
			}
			t.Linef("")
		},
		Fields: func(t *Text) {
			t.header(r.ResponseHeader)
			t.leaseField("ID", int64(r.ID))
			t.field("TTL", r.TTL)
			t.field("GrantedTTL", r.GrantedTTL)
			for _, key := range r.Keys {
				t.quoted("Key", string(key))
			}
		},
	}
}

// Leases shows which leases there are.
func Leases(r *clientv3.LeaseLeasesResponse) Answer {
	return Answer{
		JSON: r, Message: r.ResponseHeader,
		Simple: func(t *Text) {
			t.Linef("found %d leases", len(r.Leases))
			for _, lease := range r.Leases {
				t.Linef("%016x", lease.ID)
			}
		},
		Fields: func(t *Text) {
			t.header(r.ResponseHeader)
			for _, lease := range r.Leases {
				t.leaseField("ID", int64(lease.ID))
			}
		},
	}
}
