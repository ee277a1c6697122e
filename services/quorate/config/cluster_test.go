package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: the ids are those that etcd gives the same flags. Method: what etcd 3.7.1 logs without flags.
func TestFounders(t *testing.T) {
	founders, err := Default().Founders()
	require.NoError(t, err)
	require.Equal(t, uint64(0x8e9e05c52164694d), founders.MemberID)
	require.Equal(t, uint64(0xcdf818194e3a8c32), founders.ClusterID)
	require.Equal(t, "default", founders.Members[0].GetName())
	require.Equal(t, []string{"http://localhost:2380"}, founders.Members[0].GetPeerUrls())
}
