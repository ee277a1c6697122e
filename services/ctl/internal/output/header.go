package output

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
)

// id writes a number that --hex shows in hexadecimal.
func (t *Text) id(name string, id uint64) {
	if t.Hex {
		t.field(name, types.ID(id))
		return
	}
	t.field(name, id)
}

// header writes what the header of every answer says. Only answers about keys have a revision.
func (t *Text) header(h *etcdserverpb.ResponseHeader) {
	t.id("ClusterID", h.GetClusterId())
	t.id("MemberID", h.GetMemberId())
	if h.GetRevision() > 0 {
		t.field("Revision", h.GetRevision())
	}
	t.field("RaftTerm", h.GetRaftTerm())
}
