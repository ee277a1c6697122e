package output

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// MemberAdded shows a member that was added. In the format simple it ends with what the new member is started with: its name and
// peer URLs, as they were given.
func MemberAdded(r *clientv3.MemberAddResponse, name, peerURLs string) Answer {
	return Answer{
		JSON: r,
		HexJSON: struct {
			Header  *hexHeader   `json:"header"`
			Member  *hexMember   `json:"member"`
			Members []*hexMember `json:"members"`
		}{(*hexHeader)(r.Header), (*hexMember)(r.Member), hexMembers(r.Members)},
		Message: (*etcdserverpb.MemberAddResponse)(r),
		Simple: func(t *Text) {
			kind := ""
			if r.Member.GetIsLearner() {
				kind = "as learner "
			}
			t.Linef("Member %16x added %sto cluster %16x", r.Member.GetID(), kind, r.Header.GetClusterId())
			t.Linef("")
			var cluster []string
			for _, member := range r.Members {
				called := member.GetName()
				if member.GetID() == r.Member.GetID() {
					called = name
				}
				for _, url := range member.GetPeerURLs() {
					cluster = append(cluster, called+"="+url)
				}
			}
			t.Linef("ETCD_NAME=%q", name)
			t.Linef("ETCD_INITIAL_CLUSTER=%q", strings.Join(cluster, ","))
			t.Linef("ETCD_INITIAL_ADVERTISE_PEER_URLS=%q", peerURLs)
			t.Linef("ETCD_INITIAL_CLUSTER_STATE=%q", "existing")
		},
	}
}

// MemberRemoved shows that a member is no more.
func MemberRemoved(id uint64, r *clientv3.MemberRemoveResponse) Answer {
	message := (*etcdserverpb.MemberRemoveResponse)(r)
	return Answer{
		JSON: r, HexJSON: hexMembership(r.Header, r.Members), Message: message,
		Simple: func(t *Text) { t.Linef("Member %16x removed from cluster %16x", id, r.Header.GetClusterId()) },
	}
}

// MemberUpdated shows that a member has other URLs.
func MemberUpdated(id uint64, r *clientv3.MemberUpdateResponse) Answer {
	message := (*etcdserverpb.MemberUpdateResponse)(r)
	return Answer{
		JSON: r, HexJSON: hexMembership(r.Header, r.Members), Message: message,
		Simple: func(t *Text) { t.Linef("Member %16x updated in cluster %16x", id, r.Header.GetClusterId()) },
	}
}

// MemberPromoted shows that a learner votes.
func MemberPromoted(id uint64, r *clientv3.MemberPromoteResponse) Answer {
	message := (*etcdserverpb.MemberPromoteResponse)(r)
	return Answer{
		JSON: r, HexJSON: hexMembership(r.Header, r.Members), Message: message,
		Simple: func(t *Text) { t.Linef("Member %16x promoted in cluster %16x", id, r.Header.GetClusterId()) },
	}
}

// Members shows the members of a cluster.
func Members(r *clientv3.MemberListResponse) Answer {
	table := func() Rows { return memberRows(r.Members) }
	return Answer{
		JSON: r, HexJSON: hexMembership(r.Header, r.Members), Message: (*etcdserverpb.MemberListResponse)(r), Table: table,
		Simple: lines(table),
		Fields: func(t *Text) {
			t.header(r.Header)
			for _, member := range r.Members {
				t.id("ID", member.GetID())
				t.quoted("Name", member.GetName())
				for _, url := range member.GetPeerURLs() {
					t.quoted("PeerURL", url)
				}
				for _, url := range member.GetClientURLs() {
					t.quoted("ClientURL", url)
				}
				t.field("IsLearner", member.GetIsLearner())
				t.Linef("")
			}
		},
	}
}

// lines is the format simple of what has a table: each row on a line, with commas.
func lines(table func() Rows) func(*Text) {
	return func(t *Text) {
		for _, row := range table().Rows {
			t.Linef("%s", strings.Join(row, ", "))
		}
	}
}

func memberRows(members []*etcdserverpb.Member) Rows {
	rows := Rows{Header: []string{"ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"}}
	for _, member := range members {
		status := "started"
		if member.GetName() == "" {
			status = "unstarted"
		}
		rows.Rows = append(rows.Rows, []string{
			types.ID(member.GetID()).String(), status, member.GetName(),
			strings.Join(member.GetPeerURLs(), ","), strings.Join(member.GetClientURLs(), ","), strconv.FormatBool(member.GetIsLearner()),
		})
	}
	return rows
}

// hexMember is a member with its id in hexadecimal.
type hexMember etcdserverpb.Member

func (m *hexMember) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID         string   `json:"ID"`
		Name       string   `json:"name,omitempty"`
		PeerURLs   []string `json:"peerURLs,omitempty"`
		ClientURLs []string `json:"clientURLs,omitempty"`
		IsLearner  bool     `json:"isLearner,omitempty"`
	}{types.ID(m.ID).String(), m.Name, m.PeerURLs, m.ClientURLs, m.IsLearner})
}

func hexMembers(members []*etcdserverpb.Member) []*hexMember {
	hex := make([]*hexMember, len(members))
	for i, member := range members {
		hex[i] = (*hexMember)(member)
	}
	return hex
}

func hexMembership(header *etcdserverpb.ResponseHeader, members []*etcdserverpb.Member) any {
	return struct {
		Header  *hexHeader   `json:"header"`
		Members []*hexMember `json:"members"`
	}{(*hexHeader)(header), hexMembers(members)}
}

// LeaderMoved shows that another member leads.
func LeaderMoved(from, to uint64, r *clientv3.MoveLeaderResponse) Answer {
	message := (*etcdserverpb.MoveLeaderResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) { t.Linef("Leadership transferred from %s to %s", types.ID(from), types.ID(to)) },
	}
}

// Alarms shows the alarms that members have raised.
func Alarms(r *clientv3.AlarmResponse) Answer {
	message := (*etcdserverpb.AlarmResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) {
			for _, alarm := range message.GetAlarms() {
				t.Linef("%s", alarmLine(alarm))
			}
		},
		Fields: func(t *Text) {
			t.header(message.GetHeader())
			for _, alarm := range message.GetAlarms() {
				t.id("MemberID", alarm.GetMemberID())
				t.field("AlarmType", alarm.GetAlarm())
				t.Linef("")
			}
		},
	}
}

// alarmLine is an alarm as protobuf's text: what is zero is left out.
func alarmLine(alarm *etcdserverpb.AlarmMember) string {
	var parts []string
	if id := alarm.GetMemberID(); id != 0 {
		parts = append(parts, fmt.Sprintf("memberID:%d", id))
	}
	if kind := alarm.GetAlarm(); kind != etcdserverpb.AlarmType_NONE {
		parts = append(parts, fmt.Sprintf("alarm:%s", kind))
	}
	return strings.Join(parts, " ")
}

// Downgrade shows how a step towards an earlier version went: "validate", "enable" or "cancel".
func Downgrade(step string, r *clientv3.DowngradeResponse) Answer {
	message := (*etcdserverpb.DowngradeResponse)(r)
	return Answer{
		JSON: message, Message: message,
		Simple: func(t *Text) { t.Linef("Downgrade %s success, cluster version %s", step, message.GetVersion()) },
	}
}
