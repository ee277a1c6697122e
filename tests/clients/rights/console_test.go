package rights

import (
	"strings"

	"google.golang.org/protobuf/proto"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

func beginWith(prefix string) keys {
	return keys{holds: func(key string) bool { return strings.HasPrefix(key, prefix) }}
}

// ofConsole are the methods of the service behind the console.
func ofConsole() (all []try) {
	add := func(what, method string, least level, request proto.Message, needs ...need) *try {
		all = append(all, try{name: "console: " + method + " " + what, method: "ConsoleService." + method, request: always(request), least: least, needs: needs})
		return &all[len(all)-1]
	}
	for _, of := range []struct{ prefix, end string }{{"", "\x00"}, {"m/", "m0"}, {"n/", "n0"}} {
		below := reads(beginWith(of.prefix))
		add("below "+of.prefix, "Search", name, &consolev1.SearchRequest{Prefix: []byte(of.prefix), Contains: []byte("k")}, below)
		add("of what is below "+of.prefix, "Preview", name, &consolev1.PreviewRequest{Plan: putBack(of.prefix, true)}, below)
		add("of a deletion below "+of.prefix, "Preview", name, &consolev1.PreviewRequest{Plan: deletion(of.prefix), WithValues: true}, below)
		add("below "+of.prefix, "Live", name, watched(of.prefix, of.end), below)
		if of.prefix != "" {
			add("below "+of.prefix, "Locks", name, &consolev1.LocksRequest{Prefix: []byte(of.prefix)}, below)
		}
	}
	for _, key := range []string{keyOfM, keyOfN} {
		add("of "+key, "Preview", name, &consolev1.PreviewRequest{Plan: putBack(key, false)}, reads(single(key)))
		add("of "+key, "Live", name, watched(key, ""), reads(single(key)))
	}
	ofAllLeases := []need{reads(single(keyOfM)), reads(single(keyOfN))}
	add("", "Leases", name, &consolev1.LeasesRequest{}, ofAllLeases...).leases = true
	add("", "Locks", name, &consolev1.LocksRequest{}, ofAllLeases...).leases = true
	add("of a lease", "Live", name, &consolev1.LiveRequest{Leases: []int64{leaseOfN}}, reads(single(keyOfN))).leases = true
	add("of members", "Live", name, &consolev1.LiveRequest{Cluster: true})
	add("", "About", nothing, &consolev1.AboutRequest{})
	add("", "Cluster", name, &consolev1.ClusterRequest{})
	add("", "MoveLeader", root, &consolev1.MoveLeaderRequest{TargetId: 1})
	add("", "Series", name, &consolev1.SeriesRequest{})
	add("", "SlowRequests", root, &consolev1.SlowRequestsRequest{})
	add("", "AuditTrail", root, &consolev1.AuditTrailRequest{})
	add("of oneself", "Rights", name, &consolev1.RightsRequest{Key: []byte(keyOfN)})
	add("of another", "Rights", root, &consolev1.RightsRequest{User: "stranger", Key: []byte(keyOfN)})
	return append(all, changes()...)
}

// changes are of keys that are there, so that something is written.
func changes() (all []try) {
	add := func(what string, plan *consolev1.Plan, needs ...need) {
		all = append(all, try{
			name: "console: Apply " + what, method: "ConsoleService.Apply", least: name, needs: needs, leases: true,
			request: func(who *identity) proto.Message { return &consolev1.ApplyRequest{Plan: plan, Revision: who.newest} },
		})
	}
	for _, key := range []string{keyOfM, keyOfN} {
		drop := &consolev1.Plan{Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{Keys: [][]byte{[]byte(key)}}}}
		add("of a deletion of "+key, drop, reads(single(key)), writes(single(key)))
		entry := &consolev1.ImportEntry{Key: []byte(key), Value: []byte("imported")}
		bring := &consolev1.Plan{Change: &consolev1.Plan_Import{Import: &consolev1.Import{Entries: []*consolev1.ImportEntry{entry}}}}
		add("of an import of "+key, bring, reads(single(key)), writes(single(key)))
	}
	add("of a deletion below m/", deletion("m/"), reads(beginWith("m/")), writes(single(keyOfM)), writes(single("m/a")))
	return all
}

func putBack(key string, prefix bool) *consolev1.Plan {
	return &consolev1.Plan{Change: &consolev1.Plan_PutBack{PutBack: &consolev1.PutBack{Key: []byte(key), Prefix: prefix, ToRevision: 2}}}
}

func deletion(prefix string) *consolev1.Plan {
	return &consolev1.Plan{Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{Prefix: []byte(prefix), All: prefix == ""}}}
}

func watched(key, end string) *consolev1.LiveRequest {
	return &consolev1.LiveRequest{Watches: []*consolev1.LiveWatch{{Id: 1, Key: []byte(key), RangeEnd: []byte(end)}}}
}
