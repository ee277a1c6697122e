package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// well are three members with nothing to find.
func well() *facts {
	f := &facts{now: time.Unix(1_800_000_000, 0), authEnabled: true, revision: 10}
	for id := uint64(1); id <= 3; id++ {
		f.members = append(f.members, &etcdserverpb.Member{ID: id, Name: "m", ClientURLs: []string{"http://10.0.0.1:2379"}})
		f.endpoints = append(f.endpoints, &endpoint{address: "e", given: true, status: &clientv3.StatusResponse{
			Header: &etcdserverpb.ResponseHeader{ClusterId: 1, MemberId: id}, Version: "3.7.0", Leader: 1, RaftIndex: 5000, RaftAppliedIndex: 5000, DbSize: 1000, DbSizeInUse: 900,
		}})
	}
	return f
}

// Goal: each thing that can be wrong is found, is as urgent as it is, and comes with what to do; a cluster that is well has no findings. Method: three members that are
// well, and one thing spoiled at a time.
func TestFindings(t *testing.T) {
	require.Empty(t, judge(well()))
	for name, c := range map[string]struct {
		spoil    func(*facts)
		severity severity
		what     string
	}{
		"unreachable":       {func(f *facts) { f.endpoints[0].err = errors.New("refused") }, problem, "cannot be reached: refused"},
		"unreachable, told": {func(f *facts) { f.endpoints[0].err, f.endpoints[0].given = errors.New("refused"), false }, problem, "the member at e cannot be reached"},
		"nobody": {func(f *facts) {
			*f = facts{now: f.now, endpoints: []*endpoint{{address: "e", err: errors.New("x"), given: true}}}
		}, problem, "no endpoint could be reached"},
		"no leader":         {func(f *facts) { f.endpoints[1].status.Leader = 0 }, problem, "there is no leader for e"},
		"two leaders":       {func(f *facts) { f.endpoints[1].status.Leader = 2 }, problem, "2 different leaders"},
		"two clusters":      {func(f *facts) { f.endpoints[1].status.Header.ClusterId = 2 }, problem, "2 different clusters"},
		"says":              {func(f *facts) { f.endpoints[1].status.Errors = []string{"it hurts"} }, problem, "e says: it hurts"},
		"versions":          {func(f *facts) { f.endpoints[1].status.Version = "3.6.0" }, warning, "different versions: 3.6.0 at e; 3.7.0 at e, e"},
		"lag":               {func(f *facts) { f.endpoints[1].status.RaftIndex = 3000 }, warning, "2,000 log entries behind"},
		"not applied":       {func(f *facts) { f.endpoints[1].status.RaftAppliedIndex = 3000 }, warning, "2,000 log entries that it has not applied"},
		"slow":              {func(f *facts) { f.endpoints[1].took = 5 * time.Second }, warning, "took 5s"},
		"clock":             {func(f *facts) { f.endpoints[1].skew, f.endpoints[1].skewKnown = -5*time.Second, true }, warning, "differs from the one here by -5s"},
		"certificate":       {func(f *facts) { f.endpoints[1].certificate = f.now.Add(10 * 24 * time.Hour) }, warning, "a certificate of e ends"},
		"certificate, over": {func(f *facts) { f.endpoints[1].certificate = f.now.Add(-time.Hour) }, problem, "a certificate of e ends"},
		"alarm": {func(f *facts) {
			f.alarms = []*etcdserverpb.AlarmMember{{MemberID: 1, Alarm: etcdserverpb.AlarmType_NOSPACE}}
		}, problem, "has no room"},
		"corrupt": {func(f *facts) {
			f.alarms = []*etcdserverpb.AlarmMember{{MemberID: 1, Alarm: etcdserverpb.AlarmType_CORRUPT}}
		}, problem, "holds something else"},
		"full":        {func(f *facts) { f.endpoints[1].status.DbSizeQuota = 1000 }, warning, "uses 900 B of its 1000 B"},
		"spare":       {func(f *facts) { f.endpoints[1].status.DbSize = 1 << 30 }, note, "are not in use"},
		"not started": {func(f *facts) { f.members[2].Name = "" }, problem, "has never started"},
		"learner":     {func(f *facts) { f.members = append(f.members, &etcdserverpb.Member{ID: 4, Name: "l", IsLearner: true}) }, note, "is a learner"},
		"even":        {func(f *facts) { f.members = append(f.members, &etcdserverpb.Member{ID: 4, Name: "m"}) }, warning, "4 voting members"},
		"one":         {func(f *facts) { f.members = f.members[:1] }, note, "one voting member"},
		"open":        {func(f *facts) { f.authEnabled = false }, warning, "no TLS, no authentication"},
		"history":     {func(f *facts) { f.whole, f.revision = true, 1_000_000 }, warning, "never been compacted: 1,000,000 revisions"},
		"no list":     {func(f *facts) { f.membersErr = errors.New("no") }, problem, "the members cannot be listed: no"},
		"no alarms":   {func(f *facts) { f.alarmsErr = errors.New("no") }, problem, "the alarms cannot be listed: no"},
	} {
		f := well()
		c.spoil(f)
		findings := judge(f)
		require.NotEmpty(t, findings, name)
		found := false
		for i, one := range findings {
			require.NotEmpty(t, one.Do, name)
			found = found || one.Severity == c.severity && strings.Contains(one.What, c.what)
			require.False(t, i > 0 && one.Severity == problem && findings[i-1].Severity != problem, "the most urgent first")
		}
		require.True(t, found, "%s: %v", name, findings)
	}
	secure := well()
	secure.authEnabled = false
	for _, m := range secure.members {
		m.ClientURLs = []string{"https://10.0.0.1:2379", "http://127.0.0.1:2379", "http://localhost:2379"}
	}
	findings := judge(secure)
	require.Len(t, findings, 1)
	require.Equal(t, note, findings[0].Severity, "clients may be asked for certificates")
}
