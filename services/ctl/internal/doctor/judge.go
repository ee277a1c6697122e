package doctor

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// severity is how urgent a finding is.
type severity string

// The severities. Problems stop the cluster from serving or bearing a failure, warnings will, and notes are for knowing.
const (
	problem severity = "problem"
	warning severity = "warning"
	note    severity = "note"
)

// finding is something that was found, and what to do about it.
type finding struct {
	Severity severity `json:"severity"`
	What     string   `json:"what"`
	Do       string   `json:"do"`
}

// What is looked at.
const (
	lagEntriesMax    = 1000
	slowMax          = 2 * time.Second
	skewMax          = 2 * time.Second
	certificateSoon  = 30 * 24 * time.Hour
	fullPart         = 0.8
	spareBytesMin    = 100 << 20
	sparePart        = 0.5
	historyRevisions = 100_000
)

// judge says of what was found what should be looked at, the most urgent first.
func judge(f *facts) []finding {
	var all []finding
	add := func(s severity, do, what string, args ...any) {
		all = append(all, finding{Severity: s, What: fmt.Sprintf(what, args...), Do: do})
	}
	judgeEndpoints(f, add)
	judgeMembers(f, add)
	judgeLeader(f, add)
	judgeAlarms(f, add)
	judgeRoom(f, add)
	judgeClocks(f, add)
	judgeDoors(f, add)
	if f.whole && f.revision > historyRevisions {
		add(warning, "Nothing removes old versions, so the data only grows. Start members with --auto-compaction-retention=1h (of etcd: then defragment), or run \"compaction\" now and then.",
			"the history has never been compacted: %s revisions", humanize.Comma(f.revision))
	}
	rank := map[severity]int{problem: 0, warning: 1, note: 2}
	slices.SortStableFunc(all, func(a, b finding) int { return rank[a.Severity] - rank[b.Severity] })
	return all
}

type adder = func(s severity, do, what string, args ...any)

func judgeEndpoints(f *facts, add adder) {
	reached := 0
	for _, e := range f.endpoints {
		switch {
		case e.err != nil && e.given:
			add(problem, "See whether the server runs, listens there and trusts your certificate. Clients that know it alone cannot work.", "the endpoint %s cannot be reached: %v", e.address, e.err)
		case e.err != nil:
			add(problem, "See whether the member runs and is reached from here at its --advertise-client-urls. Clients that follow the member list go there.", "the member at %s cannot be reached: %v", e.address, e.err)
		default:
			reached++
			for _, text := range e.status.Errors {
				add(problem, "The member says so itself: its log has more.", "%s says: %s", e.address, text)
			}
			if e.took > slowMax {
				add(warning, "See what the network and the member's processors do.", "%s took %v to say how it is", e.address, e.took.Round(time.Millisecond))
			}
		}
		if !e.certificate.IsZero() && e.certificate.Sub(f.now) < certificateSoon {
			s := warning
			if e.certificate.Before(f.now.Add(24 * time.Hour)) {
				s = problem
			}
			add(s, "Put a new certificate into its file: it is read again without a restart.", "a certificate of %s ends %s", e.address, humanize.RelTime(e.certificate, f.now, "ago", "from now"))
		}
	}
	if reached == 0 {
		add(problem, "Nothing else could be looked at. --endpoints, or ETCDCTL_ENDPOINTS, says where the members are.", "no endpoint could be reached")
	}
}

func judgeMembers(f *facts, add adder) {
	if f.membersErr != nil {
		add(problem, "Without a leader nobody can tell. With authentication enabled, name a --user.", "the members cannot be listed: %v", f.membersErr)
	}
	voters := 0
	for _, member := range f.members {
		name := fmt.Sprintf("%x (%s)", member.GetID(), member.GetName())
		switch {
		case member.GetName() == "":
			add(problem, "Start it with --initial-cluster-state existing, or take it away with \"member remove\": it counts for the quorum.", "the member %x was added and has never started", member.GetID())
		case member.GetIsLearner():
			add(note, "\"member promote\" makes it a voter once it has caught up.", "the member %s is a learner", name)
		}
		if !member.GetIsLearner() {
			voters++
		}
	}
	switch {
	case voters == 1:
		add(note, "That is fine for trying things. For data that must outlive a disk take three.", "there is one voting member: if it fails, nothing serves")
	case voters > 0 && voters%2 == 0:
		add(warning, "Add a member, or take one away: an even number bears no more failures than one fewer.", "there are %d voting members", voters)
	}
	versions := map[string][]string{}
	for _, e := range f.endpoints {
		if e.err == nil {
			versions[e.status.Version] = append(versions[e.status.Version], e.address)
		}
	}
	if len(versions) > 1 {
		var texts []string
		for version, where := range versions {
			texts = append(texts, version+" at "+strings.Join(where, ", "))
		}
		slices.Sort(texts)
		add(warning, "Finish the upgrade: members of two versions are for its duration.", "members are of different versions: %s", strings.Join(texts, "; "))
	}
}

func judgeLeader(f *facts, add adder) {
	leaders := map[uint64][]string{}
	var newest uint64
	for _, e := range f.endpoints {
		if e.err == nil {
			leaders[e.status.Leader] = append(leaders[e.status.Leader], e.address)
			newest = max(newest, e.status.RaftIndex)
		}
	}
	if lost := leaders[0]; len(lost) > 0 {
		add(problem, "A quorum must reach each other on their peer URLs: start the members that are down, or see to the network between them.", "there is no leader for %s: nothing is written there", strings.Join(lost, ", "))
	}
	delete(leaders, 0)
	if len(leaders) > 1 {
		add(problem, "Right after an election that passes in a second: look again. Else the endpoints are of different clusters, or cut off from each other.", "the endpoints see %d different leaders", len(leaders))
	}
	clusters := map[uint64]bool{}
	for _, e := range f.endpoints {
		if e.err != nil {
			continue
		}
		clusters[e.status.Header.GetClusterId()] = true
		if behind := newest - e.status.RaftIndex; behind > lagEntriesMax {
			add(warning, "It reads, or takes its log, more slowly than the others: see its disk and its network.", "%s is %s log entries behind", e.address, humanize.Comma(int64(behind)))
		} else if waits := e.status.RaftIndex - min(e.status.RaftIndex, e.status.RaftAppliedIndex); waits > lagEntriesMax {
			add(warning, "What it has is not applied yet: see its disk and its processors.", "%s has %s log entries that it has not applied", e.address, humanize.Comma(int64(waits)))
		}
	}
	if len(clusters) > 1 {
		add(problem, "Name endpoints of one cluster: each client would see now the one, now the other.", "the endpoints are of %d different clusters", len(clusters))
	}
}

func judgeAlarms(f *facts, add adder) {
	if f.alarmsErr != nil {
		add(problem, "With authentication enabled, name a --user.", "the alarms cannot be listed: %v", f.alarmsErr)
	}
	for _, alarm := range f.alarms {
		switch alarm.GetAlarm() {
		case etcdserverpb.AlarmType_NOSPACE:
			add(problem, "Delete or compact (of etcd: then \"defrag\"), or give more room with --quota-backend-bytes or a larger disk; then \"alarm disarm\", which Quorate does by itself.", "the member %x has no room: writes are refused", alarm.GetMemberID())
		case etcdserverpb.AlarmType_CORRUPT:
			add(problem, "Take it away with \"member remove\", delete its data directory and add it anew. Compare with a backup first if no majority agrees.", "the member %x holds something else than the others", alarm.GetMemberID())
		default:
			add(problem, "\"alarm list\" shows it.", "the member %x has raised an alarm: %v", alarm.GetMemberID(), alarm.GetAlarm())
		}
	}
}

func judgeRoom(f *facts, add adder) {
	for _, e := range f.endpoints {
		if e.err != nil {
			continue
		}
		s := e.status
		if s.DbSizeQuota > 0 && float64(s.DbSizeInUse) > fullPart*float64(s.DbSizeQuota) {
			add(warning, "Compact, delete, or raise --quota-backend-bytes before writes are refused.", "%s uses %s of its %s", e.address, humanize.IBytes(uint64(s.DbSizeInUse)), humanize.IBytes(uint64(s.DbSizeQuota)))
		}
		if spare := s.DbSize - s.DbSizeInUse; spare > spareBytesMin && float64(spare) > sparePart*float64(s.DbSize) {
			add(note, "\"defrag\" gives it back, of one member at a time; etcd's stands still meanwhile.", "%s holds %s of which %s are not in use", e.address, humanize.IBytes(uint64(s.DbSize)), humanize.IBytes(uint64(spare)))
		}
	}
}

func judgeClocks(f *facts, add adder) {
	for _, e := range f.endpoints {
		if e.skewKnown && max(e.skew, -e.skew) > skewMax {
			add(warning, "Run a time service there (and here): times of leases, certificates, tokens and logs go by clocks.", "the clock of %s differs from the one here by %v", e.address, e.skew.Round(time.Second))
		}
	}
}

// judgeDoors looks for listeners that anybody can use.
func judgeDoors(f *facts, add adder) {
	if f.authErr != nil || f.authEnabled {
		return
	}
	var open, secure []string
	for _, member := range f.members {
		for _, at := range member.GetClientURLs() {
			host, _, err := net.SplitHostPort(hostOf(at))
			if ip := net.ParseIP(host); err != nil || host == "localhost" || ip != nil && ip.IsLoopback() {
				continue
			}
			if strings.HasPrefix(at, "https://") {
				secure = append(secure, at)
			} else {
				open = append(open, at)
			}
		}
	}
	if len(open) > 0 {
		add(warning, "Enable authentication (\"user add root\", \"auth enable\") and TLS, or see to it that nobody else reaches these addresses.", "whoever reaches %s may read and write everything: no TLS, no authentication", strings.Join(open, ", "))
	}
	if len(secure) > 0 {
		add(note, "That is enough if the members ask clients for certificates (--client-cert-auth). Else enable authentication.", "authentication is off at %s", strings.Join(secure, ", "))
	}
}
