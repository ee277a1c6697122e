package identity_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/identity"
)

// Goal: the ids are those that etcd gives the same cluster. Method: compare with what etcd 3.7.1 logged as
// local-member-id and cluster-id when started with these flags.
func TestIDsAreThoseOfEtcd(t *testing.T) {
	tests := map[string]struct {
		token   string
		members [][]string // peer URLs of each founding member, the logging one first
		member  uint64
		cluster uint64
	}{
		"no flags": {
			token:   "etcd-cluster",
			members: [][]string{{"http://localhost:2380"}},
			member:  0x8e9e05c52164694d,
			cluster: 0xcdf818194e3a8c32,
		},
		"one member with a token": {
			token:   "tok",
			members: [][]string{{"http://127.0.0.1:41002"}},
			member:  0x13eab4679b3c8005,
			cluster: 0xdf4b71c6d997a4f6,
		},
		"three members, one with two URLs out of order": {
			token: "new",
			members: [][]string{
				{"http://127.0.0.1:41009", "http://127.0.0.1:41002"},
				{"http://127.0.0.1:41004"},
				{"http://127.0.0.1:41006"},
			},
			member:  0x8418174fd4929091,
			cluster: 0xcf53791d01aaf3f0,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var ids []uint64
			for _, urls := range test.members {
				ids = append(ids, identity.MemberID(urls, test.token))
			}
			require.Equal(t, test.member, ids[0], "%x", ids[0])
			require.Equal(t, test.cluster, identity.ClusterID(ids), "%x", identity.ClusterID(ids))
		})
	}
}

// Goal: neither function reorders what the caller gave. Method: call both with unsorted slices and look again.
func TestArgumentsAreLeftAsTheyAre(t *testing.T) {
	urls, ids := []string{"http://b:1", "http://a:1"}, []uint64{2, 1}
	identity.MemberID(urls, "")
	identity.ClusterID(ids)
	require.Equal(t, []string{"http://b:1", "http://a:1"}, urls)
	require.Equal(t, []uint64{2, 1}, ids)
}

// Goal: ids read as in etcd's logs and tools. Method: print the smallest ones, and one whose highest bit is set.
func TestFormatIsThatOfEtcdsTools(t *testing.T) {
	require.Equal(t, "0", identity.Format(0))
	require.Equal(t, "a", identity.Format(10))
	require.Equal(t, "8e9e05c52164694d", identity.Format(0x8e9e05c52164694d))
}
