package output

import (
	"encoding/json"

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

// headerOnly is the format fields of an answer that has nothing else to say.
func headerOnly(h *etcdserverpb.ResponseHeader) func(*Text) {
	return func(t *Text) { t.header(h) }
}

// hexHeader is a header with its ids in hexadecimal.
type hexHeader etcdserverpb.ResponseHeader

func (h *hexHeader) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Cluster  string `json:"cluster_id"`
		Member   string `json:"member_id"`
		Revision int64  `json:"revision,omitempty"`
		Term     uint64 `json:"raft_term,omitempty"`
	}{types.ID(h.ClusterId).String(), types.ID(h.MemberId).String(), h.Revision, h.RaftTerm})
}
